package training.lora.trainer.model.text;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.api.BaseWeights;
import training.lora.api.Precision;
import training.lora.trainer.model.layer.AddedTokens;
import training.lora.trainer.model.layer.Chain;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.model.layer.FrozenWeights;
import training.lora.trainer.model.layer.Keep;
import training.lora.trainer.model.layer.Pass;
import training.lora.trainer.model.layer.PassBuilder;
import training.lora.trainer.model.layer.Projection;
import training.lora.trainer.model.layer.ProjectionDeltas;
import training.lora.trainer.model.layer.kernel.Snippets;
import training.lora.trainer.model.weights.Config;
import training.lora.trainer.model.weights.Numbers;
import training.lora.trainer.model.weights.Parameter;
import training.lora.trainer.model.weights.ParameterSet;
import training.lora.trainer.model.weights.PartSource;
import training.lora.trainer.model.weights.Weights;
import training.lora.trainer.tensor.TorchScript;

/** A text encoder of Stable Diffusion, CLIPTextModel or CLIPTextModelWithProjection of transformers. */
public final class TextEncoder implements AutoCloseable {
    /** Another handle of x in fp32: x itself where it is. */
    static final TorchScript SINGLE = TorchScript.compile("x", "return torch.to(x, 6)");

    static final TorchScript LIKE = TorchScript.compile("d, x", "return torch.type_as(d, x)");

    static final TorchScript SUM = TorchScript.compile("d, x", "return torch.add(torch.type_as(d, x), x)");

    private final NDManager manager;
    private final Role role;
    private final ParameterSet parameters;
    private final TextTower tower;
    private final Weights.@Nullable Kernel pool;
    private final Weights.@Nullable Kernel poolGradient;

    /** What a family takes of an encoder. */
    public enum Role {
        /** Stable Diffusion 1.x: the last layer's output, normed. */
        Only(Component.TextEncoder),
        /** SDXL's first: the last layer's input. */
        First(Component.TextEncoder),
        /** SDXL's second: the last layer's input; and, normed and projected, its output at the first end token. */
        Second(Component.TextEncoder2);

        private final Component component;

        Role(Component component) {
            this.component = component;
        }

        /** The part of the model that it is. */
        Component component() {
            return component;
        }
    }

    private TextEncoder(NDManager manager, Role role, Numbers numbers, Config config) {
        this.manager = manager;
        this.role = role;
        parameters = new ParameterSet(numbers, false, manager.getDevice());
        tower = new TextTower(parameters, role.component().folder() + ".", config);
        if (role != Role.Second) {
            pool = null;
            poolGradient = null;
            return;
        }
        Weights projection = new Weights()
                .add(
                        "w",
                        parameters.declare(
                                "text_projection.weight",
                                config.integer("projection_dim"),
                                config.integer("hidden_size")));
        // h (B, S, C) at one place a text, mapped: (B, P).
        pool = projection.kernel(
                List.of("h", "at"),
                "",
                List.of("torch.to(torch.linear(torch.index(h, [%s, at]), w), 6)".formatted(Snippets.rows("h"))));
        poolGradient = projection.kernel(List.of("d", "at", "h"), """
                g = torch.zeros_like(h)
                i = %s
                _0 = torch.index_put_(g, [i, at], torch.mm(torch.type_as(d, w), w))
                """.formatted(Snippets.rows("h")), List.of("g"));
    }

    /**
     * Reads its description and its weights.
     *
     * @param precision of weights and activations, as {@link Numbers#of}; what comes out is fp32
     */
    public static TextEncoder open(PartSource source, Role role, Precision precision, NDManager parent) {
        return open(source, role, precision, BaseWeights.Full, parent);
    }

    /** @param form how weights of linear maps are kept */
    public static TextEncoder open(
            PartSource source, Role role, Precision precision, BaseWeights form, NDManager parent) {
        Numbers numbers = Numbers.of(precision, form, parent.getDevice());
        TextEncoder encoder = new TextEncoder(parent.newSubManager(), role, numbers, source.config());
        source.load(encoder.parameters, encoder.manager);
        return encoder;
    }

    /** What an adapter can stand beside in the encoder that {@code source} describes. */
    public static List<Projection> projections(PartSource source, Role role, NDManager parent) {
        try (TextEncoder outline = new TextEncoder(parent.newSubManager(), role, Numbers.SINGLE, source.config())) {
            return outline.tower.projections();
        }
    }

    /** The weights of the encoder that {@code source} describes, which are not read for it. */
    public static List<Parameter> parameters(PartSource source, Role role, NDManager parent) {
        try (TextEncoder outline = new TextEncoder(parent.newSubManager(), role, Numbers.SINGLE, source.config())) {
            return outline.parameters.all();
        }
    }

    /** What an adapter can stand beside. */
    List<Projection> projections() {
        return tower.projections();
    }

    /** The frozen weight of one of {@link #projections}, as {@link FrozenWeights#of}. */
    public NDArray weight(Projection projection, NDManager scope) {
        return parameters.values(projection.modulePath() + ".weight", scope);
    }

    /** The embeddings of the vocabulary's tokens (V, D). */
    public NDArray table() {
        return tower.table();
    }

    /** The part of the model that it is. */
    public Component component() {
        return role.component();
    }

    /**
     * Embeds token sequences of equal length S.
     *
     * @param end the end token's id
     * @param skip layers that are skipped beyond what the role skips
     * @param deltas what an adapter adds
     * @return in {@code scope}; pooled only in the role {@link Role#Second}
     */
    public TextEmbedding encode(NDManager scope, List<Tokens> texts, long end, int skip, ProjectionDeltas deltas) {
        try (NDManager inner = scope.newSubManager()) {
            TextEmbedding embedding = new Recording(inner, texts, end, skip, deltas, null).embedding();
            embedding.context().attach(scope);
            NDArray pooled = embedding.pooled();
            if (pooled != null) {
                pooled.attach(scope);
            }
            return embedding;
        }
    }

    /**
     * {@link #encode} for training: what a backward pass needs is kept, as {@code keep} says. The deltas must have gradients
     * to add to.
     */
    public Recording record(
            NDManager scope, List<Tokens> texts, long end, int skip, ProjectionDeltas deltas, Keep keep) {
        return new Recording(scope, texts, end, skip, deltas, keep);
    }

    /** How many layers stand behind the one whose output is the context. */
    int left(int skip) {
        return role == Role.Only ? skip : 1 + skip;
    }

    Role role() {
        return role;
    }

    TextTower tower() {
        return tower;
    }

    /** What makes the pooled embedding of hidden states and the places of end tokens; null in another role than the second. */
    Weights.@Nullable Kernel pool() {
        return pool;
    }

    /**
     * Its weights that something is read of, which are those that can be trained.
     *
     * @param skip layers that are skipped beyond what the role skips
     */
    public List<Parameter> weights(int skip) {
        return role == Role.Second
                ? parameters.all()
                : parameters.all().stream()
                        .filter(weight -> tower.readsOf(weight.name(), left(skip), role == Role.Only))
                        .toList();
    }

    /** An embedding that can be walked back. */
    public final class Recording implements TextRecording {
        private final NDManager scope;
        private final Chain.Recording layers;
        private final NDArray hidden;
        private final AddedTokens.@Nullable Rows added;
        private final @Nullable AddedPlaces places;
        private final @Nullable NDList normed;
        private final @Nullable Pooled pooled;
        private final TextEmbedding embedding;

        /** @param keep what is kept for the way back; null where there is none */
        private Recording(
                NDManager scope, List<Tokens> texts, long end, int skip, ProjectionDeltas deltas, @Nullable Keep keep) {
            this.scope = scope;
            boolean kept = keep != null;
            Pass pass = PassBuilder.builder()
                    .scope(scope)
                    .deltas(deltas)
                    .keep(keep == null ? Keep.LayerStates : keep)
                    .build();
            int left = left(skip);
            AddedTokens tokens = deltas.tokens();
            added = tokens == null ? null : tokens.of(component());
            places = added == null ? null : AddedPlaces.of(texts, scope);
            try (NDArray ids = ids(scope, texts)) {
                NDArray x = added == null || places == null
                        ? tower.embed(scope, ids)
                        : tower.embed(scope, ids, places, added.embeddings());
                layers = kept
                        ? tower.before(left).record(pass, x, places != null)
                        : tower.before(left).pass(pass, x);
            }
            hidden = layers.output();
            normed = role == Role.Only ? tower.normed(scope, hidden) : null;
            pooled = pool == null
                    ? null
                    : new Pooled(
                            pass, hidden, left, ends(scope, texts, end), Objects.requireNonNull(poolGradient), kept);
            embedding = new TextEmbedding(
                    SINGLE.call(scope, normed == null ? hidden : normed.get(0)),
                    pooled == null || pool == null ? null : pool.call(scope, pooled.normed.get(0), pooled.at));
        }

        @Override
        public TextEmbedding embedding() {
            return embedding;
        }

        @Override
        public NDArray hidden() {
            return hidden;
        }

        /** Adds to the gradients of the adapter's factors and of added tokens. */
        @Override
        public void backward(TextEmbedding gradient) {
            try (NDArray embedded = layers.backward(ofHidden(gradient))) {
                if (places != null && added != null) {
                    places.addTo(Objects.requireNonNull(added.gradient(), "a gradient of tokens"), embedded, scope);
                }
            }
        }

        private NDArray ofHidden(TextEmbedding gradient) {
            NDArray context = gradient.context();
            if (normed != null) {
                return tower.normGradient(scope, context, hidden, normed);
            }
            if (pooled == null) {
                return LIKE.call(scope, context, hidden);
            }
            try (NDArray above = pooled.backward(Objects.requireNonNull(gradient.pooled(), "a pooled gradient"))) {
                return SUM.call(scope, context, above);
            }
        }
    }

    /** The way from what is the context up to the pooled embedding. */
    private final class Pooled {
        private final NDManager scope;
        private final NDArray at;
        private final Weights.Kernel back;
        private final Chain.Recording layers;
        private final NDList normed;

        /**
         * @param at place of the end token in each text
         * @param back from the gradient of the pooled embedding to that of the norm
         */
        Pooled(Pass pass, NDArray hidden, int left, NDArray at, Weights.Kernel back, boolean kept) {
            this.scope = pass.scope();
            this.at = at;
            this.back = back;
            // The chain closes what it is given, and the context is wanted beyond it.
            NDArray x = LIKE.call(scope, hidden, hidden);
            layers = kept
                    ? tower.last(left).record(pass, x, true)
                    : tower.last(left).pass(pass, x);
            normed = tower.normed(scope, layers.output());
        }

        /** The context's gradient (B, S, C) from that of the pooled embedding (B, P). */
        NDArray backward(NDArray gradient) {
            try (NDArray d = back.call(scope, gradient, at, normed.get(0))) {
                return layers.backward(tower.normGradient(scope, d, layers.output(), normed));
            }
        }
    }

    /** Where each text ends. */
    static NDArray ends(NDManager scope, List<Tokens> texts, long end) {
        return scope.create(texts.stream().mapToLong(t -> t.firstOf(end)).toArray());
    }

    static NDArray ids(NDManager scope, List<Tokens> texts) {
        int length = texts.get(0).ids().length;
        long[] flat = new long[texts.size() * length];
        for (int i = 0; i < texts.size(); i++) {
            for (int j = 0; j < length; j++) {
                // The place of an added token is any token's until its embedding is put there.
                flat[i * length + j] = Math.max(0, texts.get(i).ids()[j]);
            }
        }
        return scope.create(flat, new Shape(texts.size(), length));
    }

    @Override
    public void close() {
        manager.close();
    }
}
