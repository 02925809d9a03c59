package training.lora.trainer.model;

import ai.djl.ndarray.NDArray;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What an adapter adds to the projections of a denoiser: y = W x + scale * up(down(x)).
 *
 * @param byPath low-rank factors by the projection's path
 */
public record ProjectionDeltas(Map<String, LowRank> byPath) {
    /** No adapter. */
    public static final ProjectionDeltas NONE = new ProjectionDeltas(Map.of());

    /**
     * The factors at one projection.
     *
     * @param down A, shape (rank, in)
     * @param up B, shape (out, rank)
     * @param scale alpha / rank
     * @param downGradient what A's gradient is added to, null where nothing is trained
     * @param upGradient what B's gradient is added to
     */
    public record LowRank(
            NDArray down,
            NDArray up,
            double scale,
            @Nullable NDArray downGradient,
            @Nullable NDArray upGradient) {
        /** Factors that are not trained. */
        public LowRank(NDArray down, NDArray up, double scale) {
            this(down, up, scale, null, null);
        }
    }

    @Nullable LowRank at(String path) {
        return byPath.get(path);
    }
}
