package training.lora.trainer.model.weights;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;

/** What weights become after they were read and before they are rounded to the network's precision. */
public interface WeightChanges {
    /** Whether the weight that the network calls {@code name} is changed. */
    boolean affects(String name);

    /**
     * What is there instead.
     *
     * @param weight as it was read, fp32, of its own shape
     * @return of the same shape, in {@code scope}
     */
    NDArray changed(String name, NDArray weight, NDManager scope);
}
