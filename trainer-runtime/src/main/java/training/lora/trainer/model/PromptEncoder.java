package training.lora.trainer.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.List;
import org.jspecify.annotations.Nullable;
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

    /** Every nth row of p (B n, P). */
    private static final TorchScript FIRSTS = TorchScript.compile(
            "p, n", "return torch.contiguous(torch.slice(p, 0, 0, 9223372036854775807, torch.size(n, 0)))");

    private final List<Reader> parts;
    private final int chunks;
    private final int clipSkip;

    /** A tokenizer and the encoder that reads what it makes. */
    private record Reader(Tokenizer tokenizer, TextEncoder encoder) {}

    private PromptEncoder(List<Reader> parts, ModelOptions options) {
        this.parts = parts;
        this.chunks = options.maxTokens() / ModelOptions.CHUNK;
        this.clipSkip = options.clipSkip();
    }

    /** Opens tokenizers and text encoders of {@code source}. */
    static PromptEncoder open(ModelSource source, ModelOptions options, NDManager parent) {
        List<Reader> parts =
                switch (source.family()) {
                    case SD15 -> List.of(part(source, Part.TextEncoder, TextEncoder.Role.Only, parent));
                    case SDXL -> List.of(
                            part(source, Part.TextEncoder, TextEncoder.Role.First, parent),
                            part(source, Part.TextEncoder2, TextEncoder.Role.Second, parent));
                };
        return new PromptEncoder(parts, options);
    }

    private static Reader part(ModelSource source, Part part, TextEncoder.Role role, NDManager parent) {
        return new Reader(source.tokenizer(part), TextEncoder.open(source.part(part), role, parent));
    }

    /** Embeds {@code texts}; the result belongs to {@code scope}. */
    public TextEmbedding encode(NDManager scope, List<String> texts) {
        NDList contexts = new NDList();
        @Nullable NDArray pooled = null;
        for (Reader part : parts) {
            TextEmbedding embedding = joined(scope, part, texts);
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

    /** One encoder's share. The pooled embedding is that of a text's first chunk, as kohya has it. */
    private TextEmbedding joined(NDManager scope, Reader part, List<String> texts) {
        List<Tokens> tokens = texts.stream()
                .flatMap(t -> part.tokenizer().chunks(t, chunks).stream())
                .toList();
        TextEmbedding apart =
                part.encoder().encode(scope, tokens, part.tokenizer().end(), clipSkip);
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

    /** Whether {@code text} is longer than the encoders read, so that its end is lost. */
    public boolean cuts(String text) {
        return parts.stream()
                .anyMatch(part -> part.tokenizer().chunks(text, chunks).get(0).truncated());
    }

    @Override
    public void close() {
        parts.forEach(part -> {
            part.tokenizer().close();
            part.encoder().close();
        });
    }
}
