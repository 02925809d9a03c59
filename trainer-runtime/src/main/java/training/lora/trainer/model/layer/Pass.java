package training.lora.trainer.model.layer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.soabase.recordbuilder.core.RecordBuilder;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * What one pass through a network has beside the layers' own inputs.
 *
 * @param scope owner of all that the pass makes
 * @param time time embedding (B, W), null in an autoencoder
 * @param context text embedding (B, S, D), null in an autoencoder
 * @param deltas what an adapter adds
 * @param contextGradient what the context's gradient is added to on the way back, (B, S, D) fp32; null where none is
 *     wanted
 * @param timeGradient the same of the time embedding, (B, W) fp32; null where nothing trained stands before it
 * @param keep what a recording keeps
 * @param scores takes the scores of cross-attentions of a recording; null where nobody asks for them
 * @param weights takes gradients of the network's own weights; null where these are not trained
 */
@RecordBuilder
public record Pass(
        NDManager scope,
        @Nullable NDArray time,
        @Nullable NDArray context,
        ProjectionDeltas deltas,
        @Nullable NDArray contextGradient,
        @Nullable NDArray timeGradient,
        Keep keep,
        @Nullable AttentionScores scores,
        @Nullable WeightGradients weights) {
    /** A pass without time, text or adapter. */
    public static Pass plain(NDManager scope) {
        return PassBuilder.builder()
                .scope(scope)
                .deltas(ProjectionDeltas.NONE)
                .keep(Keep.LayerStates)
                .build();
    }

    /** The same with arrays to add the gradients of context and, where wanted, time to. */
    public Pass toText(NDArray ofContext, @Nullable NDArray ofTime) {
        return PassBuilder.builder(this)
                .contextGradient(ofContext)
                .timeGradient(ofTime)
                .build();
    }

    /** The same with what takes the scores of cross-attentions. */
    public Pass withScores(@Nullable AttentionScores taker) {
        return PassBuilder.builder(this).scores(taker).build();
    }

    /** The same with an array to add the gradient of time to. */
    public Pass toTime(NDArray ofTime) {
        return PassBuilder.builder(this).timeGradient(ofTime).build();
    }

    /** The same with what takes the gradients of weights. */
    public Pass withWeights(WeightGradients taker) {
        return PassBuilder.builder(this).weights(taker).build();
    }

    public NDArray requireTime() {
        return Objects.requireNonNull(time, "a time embedding");
    }

    NDArray requireContext() {
        return Objects.requireNonNull(context, "a text embedding");
    }
}
