package training.lora.trainer.model.layer;

import ai.djl.ndarray.NDArray;

/** The frozen weights that adapters stand beside. */
public interface FrozenWeights {
    /** That of {@code projection}: (out, in) or (out, in, k, k), in the model's precision; it belongs to the model. */
    NDArray of(Projection projection);
}
