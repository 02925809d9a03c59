package training.lora.trainer.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import training.lora.api.ModelFamily;
import training.lora.trainer.model.basemodel.ModelOptions;
import training.lora.trainer.model.basemodel.ModelSource;
import training.lora.trainer.model.basemodel.Part;
import training.lora.trainer.model.layer.AddedTokens;
import training.lora.trainer.model.layer.FrozenWeights;
import training.lora.trainer.model.layer.Keep;
import training.lora.trainer.model.layer.Projection;
import training.lora.trainer.model.layer.ProjectionDeltas;
import training.lora.trainer.model.text.TextEmbedding;
import training.lora.trainer.model.text.TextEncoder;
import training.lora.trainer.model.text.TextRecording;
import training.lora.trainer.model.text.Tokenizer;
import training.lora.trainer.model.text.Tokens;
import training.lora.trainer.model.text.Vocabulary;
import training.lora.trainer.model.weights.Parameter;
import training.lora.trainer.tensor.TorchScript;

/** The texts' way to the denoiser: a tokenizer and its encoder, or SDXL's two of each, side by side. */
public final class PromptEncoder implements AutoCloseable {
    /** x (B n, L, D) of n chunks a text: the first's begin, all their insides and the last's end, (B, n (L - 2) + 2, D). */
    private static final TorchScript JOIN = TorchScript.compile("x, n", """
            c = torch.reshape(x, [-1, torch.size(n, 0), torch.size(x, 1), torch.size(x, 2)])
            b = torch.slice(torch.select(c, 1, 0), 1, 0, 1)
            i = torch.slice(c, 2, 1, torch.sub(torch.size(x, 1), 1))
            m = torch.reshape(i, [torch.size(c, 0), -1, torch.size(x, 2)])
            e = torch.slice(torch.select(c, 1, -1), 1, torch.sub(torch.size(x, 1), 1), torch.size(x, 1))
            return torch.cat([b, m, e], 1)
            """);

    /** The gradient of {@link #JOIN}'s x from that of its result, in n chunks of l tokens. */
    private static final TorchScript PART = TorchScript.compile("d, n, l", """
            w = torch.size(d, 2)
            c = torch.zeros([torch.size(d, 0), torch.size(n, 0), torch.size(l, 0), w], dtype=None, layout=None, device=ops.prim.device(d))
            z = torch.sub(torch.size(l, 0), 1)
            m = torch.slice(d, 1, 1, torch.sub(torch.size(d, 1), 1))
            _0 = torch.copy_(torch.slice(torch.select(c, 1, 0), 1, 0, 1), torch.slice(d, 1, 0, 1))
            _1 = torch.copy_(torch.slice(c, 2, 1, z), torch.reshape(m, [torch.size(d, 0), torch.size(n, 0), -1, w]))
            _2 = torch.copy_(torch.select(torch.select(c, 1, -1), 1, -1), torch.select(d, 1, -1))
            return torch.reshape(c, [-1, torch.size(l, 0), w])
            """);

    /** Every nth row of p (B n, P). */
    private static final TorchScript FIRSTS = TorchScript.compile(
            "p, n", "return torch.contiguous(torch.slice(p, 0, 0, 9223372036854775807, torch.size(n, 0)))");

    /** The gradient of {@link #FIRSTS}' p from that of its result. */
    private static final TorchScript SPREAD = TorchScript.compile("d, n", """
            p = torch.zeros([torch.size(d, 0), torch.size(n, 0), torch.size(d, 1)], dtype=None, layout=None, device=ops.prim.device(d))
            _0 = torch.copy_(torch.select(p, 1, 0), d)
            return torch.reshape(p, [-1, torch.size(d, 1)])
            """);

    private final List<Reader> parts;
    private final int chunks;
    private final int clipSkip;

    /** A tokenizer and the encoder that reads what it makes. */
    record Reader(Tokenizer tokenizer, TextEncoder encoder) {}

    private PromptEncoder(List<Reader> parts, ModelOptions options) {
        this.parts = parts;
        this.chunks = options.maxTokens() / ModelOptions.CHUNK;
        this.clipSkip = options.clipSkip();
    }

    /** A family's text encoders and their places, in their order. */
    private static Map<Part, TextEncoder.Role> roles(ModelFamily family) {
        return switch (family) {
            case SD15 -> Map.of(Part.TextEncoder, TextEncoder.Role.Only);
            case SDXL ->
                new EnumMap<>(
                        Map.of(Part.TextEncoder, TextEncoder.Role.First, Part.TextEncoder2, TextEncoder.Role.Second));
        };
    }

    /** Opens tokenizers and text encoders of {@code source}. */
    static PromptEncoder open(ModelSource source, ModelOptions options, NDManager parent) {
        return new PromptEncoder(
                roles(source.family()).entrySet().stream()
                        .map(e -> new Reader(
                                source.tokenizer(e.getKey()),
                                TextEncoder.open(
                                        source.part(e.getKey()),
                                        e.getValue(),
                                        options.textPrecision(),
                                        options.textBaseWeights(),
                                        parent)))
                        .toList(),
                options);
    }

    /** What an adapter can stand beside in the text encoders of {@code source}, in their order. */
    static List<Projection> projections(ModelSource source, NDManager parent) {
        return roles(source.family()).entrySet().stream()
                .flatMap(e -> TextEncoder.projections(source.part(e.getKey()), e.getValue(), parent).stream())
                .toList();
    }

    /** The weights of the text encoders of {@code source}, which are not read for it. */
    static List<Parameter> parameters(ModelSource source, NDManager parent) {
        return roles(source.family()).entrySet().stream()
                .flatMap(e -> TextEncoder.parameters(source.part(e.getKey()), e.getValue(), parent).stream())
                .toList();
    }

    /** The weights of one of them, as it is in {@code source}. */
    static List<Parameter> parameters(ModelSource source, Part part, NDManager parent) {
        TextEncoder.Role role = Objects.requireNonNull(roles(source.family()).get(part), part::folder);
        return TextEncoder.parameters(source.part(part), role, parent);
    }

    /** Embeds {@code texts}; the result belongs to {@code scope}. */
    public TextEmbedding encode(NDManager scope, List<String> texts) {
        return encode(scope, texts, ProjectionDeltas.NONE);
    }

    /** The same with what an adapter adds. */
    public TextEmbedding encode(NDManager scope, List<String> texts, ProjectionDeltas deltas) {
        List<TextEmbedding> apart = new ArrayList<>();
        for (Reader part : parts) {
            apart.add(joined(
                    scope,
                    part.encoder()
                            .encode(
                                    scope,
                                    tokens(part, texts, deltas),
                                    part.tokenizer().end(),
                                    clipSkip,
                                    deltas)));
        }
        return together(scope, apart);
    }

    /**
     * Embeds {@code texts} and keeps what a backward pass needs, as {@code keep} says. The deltas must have gradients to add
     * to; all that is made belongs to {@code scope}.
     */
    public Recording record(NDManager scope, List<String> texts, ProjectionDeltas deltas, Keep keep) {
        return new Recording(scope, part -> part.encoder()
                .record(scope, tokens(part, texts, deltas), part.tokenizer().end(), clipSkip, deltas, keep));
    }

    /** Tokenizers with their encoders, in their order. */
    List<Reader> parts() {
        return parts;
    }

    /** Layers of the text encoders that are skipped beyond what the family skips itself. */
    int clipSkip() {
        return clipSkip;
    }

    /** The weights of each encoder that something is read of, which are those that can be trained. */
    public Map<Part, List<Parameter>> weights() {
        Map<Part, List<Parameter>> weights = new EnumMap<>(Part.class);
        parts.forEach(part -> weights.put(
                Part.of(part.encoder().component().folder()), part.encoder().weights(clipSkip)));
        return weights;
    }

    /** The encoders' shares side by side. */
    private static TextEmbedding together(NDManager scope, List<TextEmbedding> apart) {
        NDList contexts = new NDList();
        @Nullable NDArray pooled = null;
        for (TextEmbedding embedding : apart) {
            contexts.add(embedding.context());
            pooled = embedding.pooled();
        }
        if (contexts.size() == 1) {
            return new TextEmbedding(contexts.get(0), pooled);
        }
        NDArray context = NDArrays.concat(contexts, 2); // (B, S, D1 + D2)
        context.attach(scope);
        contexts.close();
        return new TextEmbedding(context, pooled);
    }

    List<Tokens> tokens(Reader part, List<String> texts, ProjectionDeltas deltas) {
        AddedTokens added = deltas.tokens();
        List<AddedTokens.Word> words = added == null ? List.of() : added.words();
        return texts.stream()
                .flatMap(t -> part.tokenizer().chunks(t, chunks, words).stream())
                .toList();
    }

    /**
     * Where a text has its tokens, in what is made of it.
     *
     * @param end place of its end
     * @param added which added token stands at each place, from 0, where one does
     */
    public record Places(int end, Map<Integer, Integer> added) {}

    /** Of each of {@code texts}, as {@code deltas} has them read; they must be of one chunk. */
    public List<Places> places(List<String> texts, ProjectionDeltas deltas) {
        if (chunks != 1) {
            throw new IllegalStateException("texts must be read in one chunk, are in " + chunks);
        }
        Reader first = parts.get(0);
        List<Places> places = new ArrayList<>();
        for (Tokens tokens : tokens(first, texts, deltas)) {
            Map<Integer, Integer> added = new TreeMap<>();
            for (int i = 0; i < tokens.ids().length; i++) {
                if (tokens.ids()[i] < 0) {
                    added.put(i, Tokens.index(tokens.ids()[i]));
                }
            }
            places.add(new Places(tokens.firstOf(first.tokenizer().end()), added));
        }
        return places;
    }

    /** One encoder's share. The pooled embedding is that of a text's first chunk, as kohya has it. */
    private TextEmbedding joined(NDManager scope, TextEmbedding apart) {
        if (chunks == 1) {
            return apart;
        }
        try (apart;
                NDArray count = scope.zeros(new Shape(chunks))) {
            NDArray pooled = apart.pooled();
            return new TextEmbedding(
                    JOIN.call(scope, apart.context(), count),
                    pooled == null ? null : FIRSTS.call(scope, pooled, count));
        }
    }

    /** An embedding that can be walked back. */
    public final class Recording {
        private final NDManager scope;
        private final List<TextRecording> recordings = new ArrayList<>();
        private final TextEmbedding embedding;

        /** @param record what an encoder makes of the texts */
        Recording(NDManager scope, Function<Reader, TextRecording> record) {
            this.scope = scope;
            List<TextEmbedding> apart = new ArrayList<>();
            for (Reader part : parts) {
                TextRecording recording = record.apply(part);
                recordings.add(recording);
                apart.add(joined(scope, recording.embedding()));
            }
            embedding = together(scope, apart);
        }

        /** What was embedded, fp32. */
        public TextEmbedding embedding() {
            return embedding;
        }

        /** Walks back through the encoders; works once. The gradient is one of the {@link #embedding}. */
        public void backward(TextEmbedding gradient) {
            long begin = 0;
            for (TextRecording recording : recordings) {
                long end = begin + recording.width();
                NDArray context = gradient.context().get(new NDIndex(":, :, " + begin + ":" + end));
                context.attach(scope);
                recording.backward(parted(context, gradient.pooled(), recording.length()));
                begin = end;
            }
        }

        private TextEmbedding parted(NDArray context, @Nullable NDArray pooled, long length) {
            if (chunks == 1) {
                return new TextEmbedding(context, pooled);
            }
            try (context;
                    NDArray count = scope.zeros(new Shape(chunks));
                    NDArray tokens = scope.zeros(new Shape(length))) {
                return new TextEmbedding(
                        PART.call(scope, context, count, tokens),
                        pooled == null ? null : SPREAD.call(scope, pooled, count));
            }
        }
    }

    /** The frozen weight of a projection of one of the text encoders, as {@link FrozenWeights#of}. */
    NDArray weight(Projection projection, NDManager scope) {
        return parts.stream()
                .map(Reader::encoder)
                .filter(e -> e.component() == projection.component())
                .findFirst()
                .orElseThrow()
                .weight(projection, scope);
    }

    /** The vocabulary of each text encoder, as new tokens may begin. */
    public List<Vocabulary> vocabularies() {
        return parts.stream()
                .map(part -> new Vocabulary(
                        part.encoder().component(), part.encoder().table(), part.tokenizer()::vocabulary))
                .toList();
    }

    /** Whether {@code text} is longer than the encoders read, so that its end is lost. */
    public boolean cuts(String text) {
        return parts.stream()
                .anyMatch(part ->
                        part.tokenizer().chunks(text, chunks, List.of()).get(0).truncated());
    }

    /** How many tokens a text has, by the encoder that makes most of it. */
    public int tokens(String text) {
        return parts.stream()
                .mapToInt(part -> part.tokenizer().count(text))
                .max()
                .orElseThrow();
    }

    /** How many tokens of a text the encoders read; a usual CLIP reads 75 a chunk. */
    public int longest() {
        return parts.stream()
                .mapToInt(part -> chunks * part.tokenizer().room())
                .min()
                .orElseThrow();
    }

    /** Whether {@code text} is one token, which the text encoders have learned. */
    public boolean isOneToken(String text) {
        return parts.stream().anyMatch(part -> part.tokenizer().isOneToken(text));
    }

    @Override
    public void close() {
        parts.forEach(part -> {
            part.tokenizer().close();
            part.encoder().close();
        });
    }
}
