package training.lora.trainer.model.weights;

import ai.djl.ndarray.NDManager;
import training.lora.trainer.TrainerException;

/** Where a network's description and weights come from. */
public interface PartSource {
    /** Its config.json, or what stands for it. */
    Config config();

    /**
     * Sees to it that its weights are there, without reading them.
     *
     * @throws TrainerException InvalidBaseModel if not
     */
    void check(ParameterSet weights);

    /** Reads its weights. */
    void load(ParameterSet weights, NDManager manager);
}
