package training.lora.trainer.model.basemodel;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.model.unet.UNetConfig;

/**
 * Names of a denoiser's modules: those of diffusers ({@code down_blocks.1.attentions.0.proj_in}), which this project
 * uses, and those of the original code ({@code input_blocks.4.1.proj_in}; "ldm" or "sgm"), which single files and SDXL
 * LoRAs have.
 */
public final class UNetStateDictAdapter {
    private static final List<String[]> RESNET = List.of(new String[][] {
        {"norm1", "in_layers.0"},
        {"conv1", "in_layers.2"},
        {"time_emb_proj", "emb_layers.1"},
        {"norm2", "out_layers.0"},
        {"conv2", "out_layers.3"},
        {"conv_shortcut", "skip_connection"}
    });

    private final Map<String, String> originals = new HashMap<>();
    private final Map<String, String> diffusers = new HashMap<>();

    /** Names of the network that {@code config} describes. */
    public UNetStateDictAdapter(UNetConfig config) {
        int levels = config.widths().size();
        int layers = config.layers();
        add("time_embedding.linear_1", "time_embed.0");
        add("time_embedding.linear_2", "time_embed.2");
        add("add_embedding.linear_1", "label_emb.0.0");
        add("add_embedding.linear_2", "label_emb.0.2");
        add("conv_in", "input_blocks.0.0");
        add("conv_norm_out", "out.0");
        add("conv_out", "out.2");
        for (int i = 0; i < levels; i++) {
            int block = 1 + i * (layers + 1);
            for (int j = 0; j < layers; j++) {
                resnet("down_blocks.%d.resnets.%d".formatted(i, j), "input_blocks.%d.0".formatted(block + j));
                add("down_blocks.%d.attentions.%d".formatted(i, j), "input_blocks.%d.1".formatted(block + j));
            }
            add("down_blocks.%d.downsamplers.0.conv".formatted(i), "input_blocks.%d.0.op".formatted(block + layers));
        }
        resnet("mid_block.resnets.0", "middle_block.0");
        add("mid_block.attentions.0", "middle_block.1");
        resnet("mid_block.resnets.1", "middle_block.2");
        for (int i = 0; i < levels; i++) {
            int block = i * (layers + 1);
            for (int j = 0; j <= layers; j++) {
                resnet("up_blocks.%d.resnets.%d".formatted(i, j), "output_blocks.%d.0".formatted(block + j));
                add("up_blocks.%d.attentions.%d".formatted(i, j), "output_blocks.%d.1".formatted(block + j));
            }
            // It stands behind the attention, where there is one.
            int place = config.attention().get(levels - 1 - i) ? 2 : 1;
            add(
                    "up_blocks.%d.upsamplers.0.conv".formatted(i),
                    "output_blocks.%d.%d.conv".formatted(block + layers, place));
        }
    }

    private void resnet(String ours, String original) {
        RESNET.forEach(part -> add(ours + "." + part[0], original + "." + part[1]));
    }

    private void add(String ours, String original) {
        originals.put(ours, original);
        diffusers.put(original, ours);
    }

    /** The original name of {@code path}, a module or something in it; null if there is no such module. */
    public @Nullable String toOriginal(String path) {
        return translate(path, originals);
    }

    /** The name in diffusers of {@code path}, a module or something in it; null if there is no such module. */
    public @Nullable String toDiffusers(String path) {
        return translate(path, diffusers);
    }

    /** Replaces the longest beginning of whole names that the table knows. */
    private static @Nullable String translate(String path, Map<String, String> table) {
        for (int end = path.length(); end > 0; end = path.lastIndexOf('.', end - 1)) {
            String found = table.get(path.substring(0, end));
            if (found != null) {
                return found + path.substring(end);
            }
        }
        return null;
    }
}
