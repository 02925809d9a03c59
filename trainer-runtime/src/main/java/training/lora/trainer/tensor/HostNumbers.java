package training.lora.trainer.tensor;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;

/**
 * Brings numbers that the host makes at every step, such as timesteps and learning rates, to the device of a manager.
 * One class does it, so that a recording of a step has their values.
 */
public final class HostNumbers {
    /** What is told of them; a recording puts itself in its place. */
    static volatile Listener listener = (array, values) -> {};

    /** Is told of numbers that were brought to a device. */
    interface Listener {
        void brought(NDArray array, double[] values);
    }

    private HostNumbers() {}

    /** Values (n) in {@code shape}, fp32. */
    public static NDArray floats(NDManager manager, float[] values, Shape shape) {
        NDArray array = manager.create(values, shape);
        double[] copy = new double[values.length];
        for (int i = 0; i < copy.length; i++) {
            copy[i] = values[i];
        }
        listener.brought(array, copy);
        return array;
    }

    /** A row of one integer, int64. */
    public static NDArray integer(NDManager manager, long value) {
        NDArray array = manager.create(new long[] {value}, new Shape(1));
        listener.brought(array, new double[] {value});
        return array;
    }
}
