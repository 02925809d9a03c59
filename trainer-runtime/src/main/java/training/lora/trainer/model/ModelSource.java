package training.lora.trainer.model;

import training.lora.api.ModelFamily;

/** Where a base model comes from. */
interface ModelSource {
    ModelFamily family();

    PartSource part(Part part);

    /** Its scheduler_config.json, or what stands for it. */
    Config scheduler();

    /** The tokenizer of a text encoder. */
    Tokenizer tokenizer(Part encoder);
}
