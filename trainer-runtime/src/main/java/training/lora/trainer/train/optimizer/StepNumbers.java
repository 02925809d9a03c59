package training.lora.trainer.train.optimizer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.List;
import training.lora.trainer.tensor.HostNumbers;

/** The numbers of a step, which a script gets as one array: those that all groups share, then each group's. */
final class StepNumbers {
    private final List<Double> numbers = new ArrayList<>();

    StepNumbers(double... shared) {
        add(shared);
    }

    /** Adds those of the next group. */
    void add(double... own) {
        for (double number : own) {
            numbers.add(number);
        }
    }

    /** All of them, fp32. */
    NDArray in(NDManager scope) {
        float[] values = new float[numbers.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = numbers.get(i).floatValue();
        }
        return HostNumbers.floats(scope, values, new Shape(values.length));
    }
}
