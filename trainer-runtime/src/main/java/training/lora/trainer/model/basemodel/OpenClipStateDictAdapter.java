package training.lora.trainer.model.basemodel;

import java.util.List;
import java.util.Set;
import training.lora.trainer.model.weights.Stored;

/**
 * Names of a text tower's weights in OpenCLIP, as SDXL's single files have its second encoder: query, key and value in one
 * tensor, and the projection as a matrix that stands to the right. Files that diffusers' own script wrote have the
 * projection as transformers does, by which name it is known.
 */
final class OpenClipStateDictAdapter {
    private static final List<String> JOINED = List.of("q_proj", "k_proj", "v_proj");

    private static final String PROJECTION = "text_projection.weight";

    private OpenClipStateDictAdapter() {}

    /**
     * Where the weight that transformers calls {@code name} is, or would be.
     *
     * @param names of all tensors in the file
     * @param prefix what stands before all of the tower's names
     */
    static Stored find(Set<String> names, String prefix, String name) {
        if (name.equals(PROJECTION)) {
            return names.contains(prefix + PROJECTION)
                    ? Stored.whole(prefix + PROJECTION)
                    : new Stored(prefix + "text_projection", 0, 1, true);
        }
        for (String joined : JOINED) {
            int at = name.indexOf(".self_attn." + joined + ".");
            if (at >= 0) {
                String kind = name.substring(name.lastIndexOf('.') + 1);
                return new Stored(
                        prefix + plain(name.substring(0, at)) + ".attn.in_proj_" + kind,
                        JOINED.indexOf(joined),
                        JOINED.size(),
                        false);
            }
        }
        return Stored.whole(prefix + plain(name));
    }

    private static String plain(String name) {
        return name.replace("text_model.embeddings.token_embedding.", "token_embedding.")
                .replace("text_model.embeddings.position_embedding.weight", "positional_embedding")
                .replace("text_model.final_layer_norm.", "ln_final.")
                .replace("text_model.encoder.layers.", "transformer.resblocks.")
                .replace(".layer_norm1.", ".ln_1.")
                .replace(".layer_norm2.", ".ln_2.")
                .replace(".self_attn.out_proj.", ".attn.out_proj.")
                .replace(".mlp.fc1.", ".mlp.c_fc.")
                .replace(".mlp.fc2.", ".mlp.c_proj.");
    }
}
