package training.lora.trainer.train.optimizer;

import ai.djl.ndarray.NDArray;
import training.lora.trainer.tensor.TorchScript;

/**
 * The average x that schedule-free optimizers put out, x = y + (1 - 1 / b1) (z - y).
 *
 * @param values (n), fp32, where it is put
 * @param beta1 how far y lies from z towards x
 */
record AveragedCopy(NDArray values, double beta1) {
    private static final TorchScript SCRIPT =
            TorchScript.compile("x, y, z, w", "return torch.lerp_(torch.copy_(x, y), z, w)");

    /** The average of now, in {@link #values}. */
    NDArray of(NDArray y, NDArray z) {
        try (NDArray weight = values.getManager().create((float) (1 - 1 / beta1))) {
            SCRIPT.call(values.getManager(), values, y, z, weight).close();
        }
        return values;
    }
}
