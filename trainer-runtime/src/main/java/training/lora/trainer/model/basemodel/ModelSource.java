package training.lora.trainer.model.basemodel;

import training.lora.api.ModelFamily;
import training.lora.trainer.model.text.Tokenizer;
import training.lora.trainer.model.weights.Config;
import training.lora.trainer.model.weights.PartSource;

/** Where a base model comes from. */
public interface ModelSource {
    ModelFamily family();

    PartSource part(Part part);

    /** Its scheduler_config.json, or what stands for it. */
    Config scheduler();

    /** The tokenizer of a text encoder. */
    Tokenizer tokenizer(Part encoder);
}
