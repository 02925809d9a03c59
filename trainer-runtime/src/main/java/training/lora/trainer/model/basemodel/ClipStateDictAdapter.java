package training.lora.trainer.model.basemodel;

import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Names of CLIP's weights: transformers 5 writes a lone text encoder without {@code text_model.}, older ones with it. */
final class ClipStateDictAdapter {
    private ClipStateDictAdapter() {}

    /** The name in a file that has tensors of these {@code names}. */
    static @Nullable String find(Set<String> names, String name) {
        return find(names, "", name);
    }

    /** The name in a file that has {@code prefix} before all of an encoder's names. */
    static @Nullable String find(Set<String> names, String prefix, String name) {
        String whole = prefix + name;
        String bare = prefix + (name.startsWith("text_model.") ? name.substring("text_model.".length()) : name);
        return names.contains(whole) ? whole : names.contains(bare) ? bare : null;
    }
}
