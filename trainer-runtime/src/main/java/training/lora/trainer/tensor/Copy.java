package training.lora.trainer.tensor;

import ai.djl.ndarray.NDArray;

/** Copies into tensors that are there already, which DJL's API lacks. */
public final class Copy {
    private static final TorchScript SCRIPT = TorchScript.compile("to, from", "return torch.copy_(to, from)");

    private Copy() {}

    /** Puts the values of {@code from} into {@code to}, of the same shape and on the same device. */
    public static void into(NDArray to, NDArray from) {
        SCRIPT.call(to.getManager(), to, from).close();
    }
}
