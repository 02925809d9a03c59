package training.lora.trainer.tensor;

import ai.djl.ndarray.NDArray;

/** Tells numbers from NaN and infinities. */
public final class Finite {
    private Finite() {}

    /** Whether all values of {@code array}, of floats, are finite: times 0 an infinity and NaN are NaN, and all others 0. */
    public static boolean all(NDArray array) {
        try (NDArray zeros = array.mul(0);
                NDArray sum = zeros.sum()) {
            return Float.isFinite(sum.getFloat());
        }
    }
}
