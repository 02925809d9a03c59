package training.lora.trainer.model;

import ai.djl.ndarray.NDArray;
import io.soabase.recordbuilder.core.RecordBuilder;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What an adapter adds to the projections of a denoiser: y = W x + scale * up(down(x)).
 *
 * @param byPath low-rank factors by the projection's path
 * @param seed what a recorded pass draws its dropout from
 */
public record ProjectionDeltas(Map<String, LowRank> byPath, long seed) {
    /** No adapter. */
    public static final ProjectionDeltas NONE = new ProjectionDeltas(Map.of());

    /** Without dropout. */
    public ProjectionDeltas(Map<String, LowRank> byPath) {
        this(byPath, 0);
    }

    /**
     * The factors at one projection.
     *
     * @param down A, shape (rank, in), or (rank, in k k) beside a convolution
     * @param up B, shape (out, rank)
     * @param scale of up(down(x))
     * @param dropout share of the entries of x, from 0 and below 1, that a recorded pass hides from the delta
     * @param downGradient what A's gradient is added to, null where nothing is trained
     * @param upGradient what B's gradient is added to
     */
    @RecordBuilder
    public record LowRank(
            NDArray down,
            NDArray up,
            double scale,
            double dropout,
            @Nullable NDArray downGradient,
            @Nullable NDArray upGradient) {
        /** Factors that are not trained. */
        public LowRank(NDArray down, NDArray up, double scale) {
            this(down, up, scale, 0, null, null);
        }

        DeltaForm form() {
            return new DeltaForm(scale, dropout);
        }
    }

    @Nullable LowRank at(String path) {
        return byPath.get(path);
    }
}
