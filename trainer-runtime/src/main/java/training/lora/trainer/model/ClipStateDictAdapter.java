package training.lora.trainer.model;

import org.jspecify.annotations.Nullable;
import training.lora.trainer.tensor.SafeTensors;

/** Names of CLIP's weights: transformers 5 writes a lone text encoder without {@code text_model.}, older ones with it. */
final class ClipStateDictAdapter {
    private ClipStateDictAdapter() {}

    static @Nullable String find(SafeTensors file, String name) {
        String bare = name.startsWith("text_model.") ? name.substring("text_model.".length()) : name;
        return file.entries().containsKey(name) ? name : file.entries().containsKey(bare) ? bare : null;
    }
}
