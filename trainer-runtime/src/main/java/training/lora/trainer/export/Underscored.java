package training.lora.trainer.export;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;

/**
 * Module paths with {@code _} for {@code .}, as kohya's files name modules. The way back needs the words of Stable
 * Diffusion's modules that have an underscore of their own.
 */
final class Underscored {
    private static final Set<String> WORDS = Set.of(
            "down_blocks",
            "mid_block",
            "up_blocks",
            "transformer_blocks",
            "to_q",
            "to_k",
            "to_v",
            "to_out",
            "proj_in",
            "proj_out",
            "time_emb_proj",
            "conv_shortcut",
            "conv_in",
            "conv_out",
            "time_embedding",
            "add_embedding",
            "linear_1",
            "linear_2",
            "input_blocks",
            "middle_block",
            "output_blocks",
            "in_layers",
            "out_layers",
            "emb_layers",
            "skip_connection",
            "time_embed",
            "label_emb",
            "text_model",
            "text_projection",
            "self_attn",
            "q_proj",
            "k_proj",
            "v_proj",
            "out_proj");

    private static final int LONGEST = 3;

    private Underscored() {}

    static String of(String path) {
        return path.replace('.', '_');
    }

    /** The path that {@code name} is of. */
    static String path(String name) {
        List<String> parts = Arrays.asList(name.split("_"));
        List<String> words = new ArrayList<>();
        int i = 0;
        while (i < parts.size()) {
            int n = Math.min(LONGEST, parts.size() - i);
            while (n > 1 && !WORDS.contains(String.join("_", parts.subList(i, i + n)))) {
                n--;
            }
            words.add(String.join("_", parts.subList(i, i + n)));
            i += n;
        }
        return String.join(".", words);
    }
}
