package training.lora.trainer.model;

import ai.djl.ndarray.NDManager;

/** Where a network's description and weights come from. */
interface PartSource {
    /** Its config.json, or what stands for it. */
    Config config();

    /** Reads its weights. */
    void load(ParameterSet weights, NDManager manager);
}
