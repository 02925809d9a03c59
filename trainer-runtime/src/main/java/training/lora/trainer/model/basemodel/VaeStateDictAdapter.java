package training.lora.trainer.model.basemodel;

import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Names of an autoencoder's weights: in diffusers' files, older and newer, and in those of the original code. */
final class VaeStateDictAdapter {
    private VaeStateDictAdapter() {}

    /** The name in a file of diffusers; before its version 0.17 those of the attention were others. */
    static @Nullable String find(Set<String> names, String name) {
        String old = name.replace(".to_q.", ".query.")
                .replace(".to_k.", ".key.")
                .replace(".to_v.", ".value.")
                .replace(".to_out.0.", ".proj_attn.");
        return names.contains(name) ? name : names.contains(old) ? old : null;
    }

    /**
     * The name in a single file: in the original code's names with or without their prefix, or in those of diffusers.
     *
     * @param names of all tensors in the file
     * @param levels number of levels
     */
    static @Nullable String find(Set<String> names, String name, int levels) {
        String original = toOriginal(name, levels);
        for (String key : new String[] {ModelKind.VAE + original, original}) {
            if (names.contains(key)) {
                return key;
            }
        }
        return find(names, name);
    }

    /**
     * The name in the original code ("ldm"), which counts the decoder's levels from the finest.
     *
     * @param levels number of levels
     */
    static String toOriginal(String name, int levels) {
        String original = name.replace(".mid_block.resnets.0.", ".mid.block_1.")
                .replace(".mid_block.resnets.1.", ".mid.block_2.")
                .replace(".mid_block.attentions.0.group_norm.", ".mid.attn_1.norm.")
                .replace(".mid_block.attentions.0.to_out.0.", ".mid.attn_1.proj_out.")
                .replaceFirst("\\.mid_block\\.attentions\\.0\\.to_([qkv])\\.", ".mid.attn_1.$1.")
                .replace("conv_norm_out.", "norm_out.")
                .replace(".conv_shortcut.", ".nin_shortcut.")
                .replaceFirst("\\.down_blocks\\.(\\d+)\\.resnets\\.", ".down.$1.block.")
                .replaceFirst("\\.down_blocks\\.(\\d+)\\.downsamplers\\.0\\.", ".down.$1.downsample.");
        for (int i = 0; i < levels; i++) {
            original = original.replace(".up_blocks." + i + ".resnets.", ".up." + (levels - 1 - i) + ".block.")
                    .replace(".up_blocks." + i + ".upsamplers.0.", ".up." + (levels - 1 - i) + ".upsample.");
        }
        return original;
    }
}
