package training.lora.trainer.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * What one pass through a network has beside the layers' own inputs.
 *
 * @param scope owner of all that the pass makes
 * @param time time embedding (B, W), null in an autoencoder
 * @param context text embedding (B, S, D), null in an autoencoder
 * @param deltas what an adapter adds
 */
record Pass(
        NDManager scope, @Nullable NDArray time, @Nullable NDArray context, ProjectionDeltas deltas) {
    /** A pass without time, text or adapter. */
    static Pass plain(NDManager scope) {
        return new Pass(scope, null, null, ProjectionDeltas.NONE);
    }

    NDArray requireTime() {
        return Objects.requireNonNull(time, "a time embedding");
    }

    NDArray requireContext() {
        return Objects.requireNonNull(context, "a text embedding");
    }
}
