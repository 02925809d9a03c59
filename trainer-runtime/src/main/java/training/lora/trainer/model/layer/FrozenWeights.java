package training.lora.trainer.model.layer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;

/** The frozen weights that adapters stand beside. */
public interface FrozenWeights {
    /**
     * That of {@code projection}: (out, in) or (out, in, k, k), as layers use it. It belongs to the model, or where it must be
     * made of numbers that are kept otherwise, to {@code scope}.
     */
    NDArray of(Projection projection, NDManager scope);
}
