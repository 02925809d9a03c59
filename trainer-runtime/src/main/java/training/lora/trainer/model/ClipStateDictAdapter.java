package training.lora.trainer.model;

import org.jspecify.annotations.Nullable;
import training.lora.trainer.tensor.SafeTensors;

/** Names of CLIP's weights: transformers 5 writes a lone text encoder without {@code text_model.}, older ones with it. */
final class ClipStateDictAdapter {
    private ClipStateDictAdapter() {}

    static @Nullable String find(SafeTensors file, String name) {
        return find(file, "", name);
    }

    /** The name in a file that has {@code prefix} before all of an encoder's names. */
    static @Nullable String find(SafeTensors file, String prefix, String name) {
        String whole = prefix + name;
        String bare = prefix + (name.startsWith("text_model.") ? name.substring("text_model.".length()) : name);
        return file.entries().containsKey(whole) ? whole : file.entries().containsKey(bare) ? bare : null;
    }
}
