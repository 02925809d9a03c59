package training.lora.trainer.model.text;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.model.layer.Chain;
import training.lora.trainer.model.layer.Pass;
import training.lora.trainer.model.layer.WeightGradients;
import training.lora.trainer.model.weights.Parameter;
import training.lora.trainer.model.weights.Weights;

/**
 * The way through a text encoder whose own weights are trained: the way back makes the gradients of one layer's weights after
 * the other's, from the pooled embedding down to the embeddings of tokens and positions. The encoder is the same, in the same
 * arrays. Layers that its role reads nothing of have no gradients and stay as they are, as in torch.
 */
public final class TrainedTextEncoder {
    private final TextEncoder encoder;
    private final Chain before;
    private final Back embed;

    /** The way on from the context to the pooled embedding; null in another role than the second. */
    private final @Nullable Chain last;

    private final @Nullable Back norm;
    private final @Nullable Back pool;
    private final List<List<Parameter>> layers = new ArrayList<>();

    /** @param skip layers that are skipped beyond what the role skips */
    public TrainedTextEncoder(TextEncoder encoder, int skip) {
        this.encoder = encoder;
        TextTower tower = encoder.tower();
        int left = encoder.left(skip);
        before = tower.before(left).ofTrainedWeights();
        embed = new Back(tower.embedding(), List.of());
        layers.addAll(before.trainedWeights());
        layers.add(embed.weights());
        Weights.Kernel pooling = encoder.pool();
        last = pooling == null ? null : tower.last(left).ofTrainedWeights();
        norm = encoder.role() == TextEncoder.Role.First ? null : new Back(tower.normAlone(), List.of("x"));
        pool = pooling == null ? null : new Back(pooling, List.of("h"));
        if (last != null) {
            layers.addAll(last.trainedWeights());
        }
        if (norm != null) {
            layers.add(norm.weights());
        }
        if (pool != null) {
            layers.add(pool.weights());
        }
    }

    /** A function of one output, and the gradients of inputs and weights. */
    private static final class Back {
        private final Weights.Kernel forward;
        private final Weights.Kernel gradients;

        Back(Weights.Kernel forward, List<String> wanted) {
            this.forward = forward;
            this.gradients = forward.gradients(wanted);
        }

        List<Parameter> weights() {
            return forward.weights();
        }

        NDArray forward(NDManager scope, NDArray... inputs) {
            return forward.call(scope, inputs);
        }

        /** Hands the gradients of weights on. Of at most one wanted input the gradient is returned. */
        @Nullable NDArray backward(NDManager scope, WeightGradients taker, NDArray... gradientAndInputs) {
            NDList ofInputs = taker.takeLast(weights(), gradients.callAll(scope, gradientAndInputs));
            return ofInputs.isEmpty() ? null : ofInputs.get(0);
        }
    }

    /** The encoder itself. */
    public TextEncoder encoder() {
        return encoder;
    }

    /** The weights of each layer, as {@link WeightGradients} gets their gradients. */
    public List<List<Parameter>> layers() {
        return Collections.unmodifiableList(layers);
    }

    /**
     * Embeds token sequences of equal length, as {@link TextEncoder#encode}, and keeps what a way back needs.
     *
     * @param end the end token's id
     * @param taker takes the gradients of weights on the way back
     */
    public TextRecording record(NDManager scope, List<Tokens> texts, long end, WeightGradients taker) {
        return new Recording(scope, texts, end, taker);
    }

    private final class Recording implements TextRecording {
        private final NDManager scope;
        private final WeightGradients taker;
        private final NDArray ids;
        private final NDArray ends;
        private final Chain.Recording lower;
        private final NDArray hidden;
        private final Chain.@Nullable Recording upper;

        /** Behind the final norm; null where there is none. */
        private final @Nullable NDArray normed;

        private final TextEmbedding embedding;

        Recording(NDManager scope, List<Tokens> texts, long end, WeightGradients taker) {
            this.scope = scope;
            this.taker = taker;
            Pass pass = Pass.plain(scope).withWeights(taker);
            ids = TextEncoder.ids(scope, texts);
            ends = TextEncoder.ends(scope, texts, end);
            lower = before.record(pass, embed.forward(scope, ids), true);
            hidden = lower.output();
            // A chain closes what it is given, and the context is wanted beyond it.
            upper = last == null ? null : last.record(pass, TextEncoder.LIKE.call(scope, hidden, hidden), true);
            normed = norm == null ? null : norm.forward(scope, upper == null ? hidden : upper.output());
            embedding = new TextEmbedding(
                    TextEncoder.SINGLE.call(scope, upper == null && normed != null ? normed : hidden),
                    pool == null ? null : pool.forward(scope, Objects.requireNonNull(normed), ends));
        }

        @Override
        public TextEmbedding embedding() {
            return embedding;
        }

        @Override
        public NDArray hidden() {
            return hidden;
        }

        @Override
        public void backward(TextEmbedding gradient) {
            try (NDArray embedded = lower.backward(ofHidden(gradient))) {
                embed.backward(scope, taker, embedded, ids);
            }
        }

        private NDArray ofHidden(TextEmbedding gradient) {
            NDArray context = gradient.context();
            if (norm == null) {
                return TextEncoder.LIKE.call(scope, context, hidden);
            }
            if (upper == null || pool == null) {
                return wanted(norm.backward(scope, taker, context, hidden));
            }
            NDArray pooled = Objects.requireNonNull(gradient.pooled(), "a pooled gradient");
            try (NDArray d = wanted(pool.backward(scope, taker, pooled, Objects.requireNonNull(normed), ends));
                    NDArray above = upper.backward(wanted(norm.backward(scope, taker, d, upper.output())))) {
                return TextEncoder.SUM.call(scope, context, above);
            }
        }

        private static NDArray wanted(@Nullable NDArray gradient) {
            return Objects.requireNonNull(gradient, "the gradient of an input");
        }
    }
}
