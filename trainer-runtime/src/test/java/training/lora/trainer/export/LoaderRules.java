package training.lora.trainer.export;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.model.unet.UNetConfig;

/**
 * By which names ComfyUI and AUTOMATIC1111 find a LoRA's tensors, told anew from their loaders' rules. Both hold the model
 * in the names of the original code.
 */
final class LoaderRules {
    private static final List<String> ENCODER = List.of(
            "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj", "mlp.fc1", "mlp.fc2");

    private LoaderRules() {}

    /**
     * A module that both have.
     *
     * @param path in diffusers' names
     * @param original in the original code's
     */
    record Module(Component component, String path, String original) {}

    /** The family's modules that adapters change, in the order in which the original code builds them. */
    static List<Module> modules(LoraFamily family) {
        UNetConfig config = family == LoraFamily.SDXL ? UNetConfig.SDXL : UNetConfig.SD15;
        List<Module> all = new ArrayList<>();
        int levels = config.widths().size();
        int input = 1;
        for (int level = 0; level < levels; level++) {
            for (int j = 0; j < config.layers(); j++, input++) {
                resnet(all, "down_blocks." + level + ".resnets." + j, "input_blocks." + input + ".0");
                if (config.attention().get(level)) {
                    attention(
                            all,
                            "down_blocks." + level + ".attentions." + j,
                            "input_blocks." + input + ".1",
                            config.transformerLayers().get(level));
                }
            }
            if (level < levels - 1) {
                all.add(new Module(
                        Component.UNet,
                        "down_blocks." + level + ".downsamplers.0.conv",
                        "input_blocks." + input++ + ".0.op"));
            }
        }
        resnet(all, "mid_block.resnets.0", "middle_block.0");
        attention(
                all,
                "mid_block.attentions.0",
                "middle_block.1",
                config.transformerLayers().get(levels - 1));
        resnet(all, "mid_block.resnets.1", "middle_block.2");
        int output = 0;
        for (int level = levels - 1; level >= 0; level--) {
            String block = "up_blocks." + (levels - 1 - level);
            for (int j = 0; j <= config.layers(); j++, output++) {
                int inner = 0;
                resnet(all, block + ".resnets." + j, "output_blocks." + output + "." + inner++);
                if (config.attention().get(level)) {
                    attention(
                            all,
                            block + ".attentions." + j,
                            "output_blocks." + output + "." + inner++,
                            config.transformerLayers().get(level));
                }
                if (level > 0 && j == config.layers()) {
                    all.add(new Module(
                            Component.UNet,
                            block + ".upsamplers.0.conv",
                            "output_blocks." + output + "." + inner + ".conv"));
                }
            }
        }
        encoder(all, Component.TextEncoder, 12);
        if (family == LoraFamily.SDXL) {
            encoder(all, Component.TextEncoder2, 32);
        }
        return all;
    }

    private static void resnet(List<Module> all, String path, String original) {
        Map.of("conv1", "in_layers.2", "conv2", "out_layers.3", "time_emb_proj", "emb_layers.1")
                .forEach((ours, theirs) ->
                        all.add(new Module(Component.UNet, path + "." + ours, original + "." + theirs)));
    }

    private static void attention(List<Module> all, String path, String original, int transformers) {
        List<String> parts = new ArrayList<>(List.of("proj_in", "proj_out"));
        for (int i = 0; i < transformers; i++) {
            for (String part : List.of(
                    "attn1.to_q",
                    "attn1.to_k",
                    "attn1.to_v",
                    "attn1.to_out.0",
                    "attn2.to_q",
                    "attn2.to_k",
                    "attn2.to_v",
                    "attn2.to_out.0",
                    "ff.net.0.proj",
                    "ff.net.2")) {
                parts.add("transformer_blocks." + i + "." + part);
            }
        }
        parts.forEach(part -> all.add(new Module(Component.UNet, path + "." + part, original + "." + part)));
    }

    private static void encoder(List<Module> all, Component component, int layers) {
        for (int i = 0; i < layers; i++) {
            for (String part : ENCODER) {
                String path = "text_model.encoder.layers." + i + "." + part;
                all.add(new Module(component, path, path));
            }
        }
    }

    /** The tensors, of {@code names}, that ComfyUI leaves out: it goes from the model's weights to names of tensors. */
    static Set<String> leftOutByComfyUi(LoraFamily family, Set<String> names) {
        Set<String> loaded = new HashSet<>();
        for (Module m : modules(family)) {
            List<String> keys = new ArrayList<>();
            switch (m.component()) {
                case UNet -> {
                    keys.add("lora_unet_" + m.original().replace('.', '_'));
                    keys.add("lora_unet_" + m.path().replace('.', '_'));
                    String processor = m.path().replace(".to_", ".processor.to_");
                    keys.add(processor);
                    keys.add("unet." + processor);
                    if (processor.endsWith(".to_out.0")) {
                        keys.add("unet." + processor.substring(0, processor.length() - 2));
                    }
                }
                case TextEncoder -> {
                    keys.add("lora_te_" + m.path().replace('.', '_'));
                    keys.add("lora_te1_" + m.path().replace('.', '_'));
                    keys.add("text_encoder." + m.path());
                }
                case TextEncoder2 -> {
                    keys.add("lora_te2_" + m.path().replace('.', '_'));
                    keys.add("text_encoder_2." + m.path());
                }
            }
            for (String key : keys) {
                pair(names, loaded, key + ".lora_up.weight", key + ".lora_down.weight", key + ".alpha");
                pair(names, loaded, key + ".lora_B.weight", key + ".lora_A.weight", key + ".alpha");
            }
        }
        Set<String> left = new TreeSet<>(names);
        left.removeAll(loaded);
        return left;
    }

    private static void pair(Set<String> names, Set<String> loaded, String up, String down, String alpha) {
        if (names.contains(up)) {
            loaded.addAll(List.of(up, down, alpha));
        }
    }

    /** The tensors, of {@code names}, that AUTOMATIC1111 leaves out: it goes from a tensor's name to the model's module. */
    static Set<String> leftOutByAutomatic1111(LoraFamily family, Set<String> names) {
        Set<String> mapping = new HashSet<>();
        for (Module m : modules(family)) {
            mapping.add(
                    switch (m.component()) {
                        case UNet -> "diffusion_model_" + m.original().replace('.', '_');
                        case TextEncoder ->
                            (family == LoraFamily.SDXL ? "0_" : "") + "transformer_"
                                    + m.path().replace('.', '_');
                        case TextEncoder2 -> openClip(m.path());
                    });
        }
        Set<String> left = new TreeSet<>();
        for (String name : names) {
            int dot = name.indexOf('.');
            String module = name.substring(0, dot);
            boolean known =
                    List.of("lora_up.weight", "lora_down.weight", "alpha").contains(name.substring(dot + 1));
            if (!known || !found(module, mapping)) {
                left.add(name);
            }
        }
        return left;
    }

    /** The second encoder is OpenCLIP's there, whose queries, keys and values are one module. */
    private static String openClip(String path) {
        return path.replaceFirst("text_model\\.encoder\\.layers\\.(\\d+)\\.", "1_model_transformer_resblocks_$1_")
                .replace("mlp.fc1", "mlp_c_fc")
                .replace("mlp.fc2", "mlp_c_proj")
                .replaceFirst("self_attn\\.[qkv]_proj", "attn")
                .replace("self_attn.out_proj", "attn_out_proj");
    }

    private static boolean found(String module, Set<String> mapping) {
        String key = automatic1111(module);
        Matcher projection = Pattern.compile("(.*)_[qkv]_proj").matcher(key);
        return mapping.contains(key)
                || (projection.matches() && mapping.contains(projection.group(1)))
                || mapping.contains(module.replace("lora_unet", "diffusion_model"))
                || mapping.contains(module.replace("lora_te1_text_model", "0_transformer_text_model"));
    }

    private static String automatic1111(String module) {
        Map<String, String> resnet =
                Map.of("conv1", "in_layers_2", "conv2", "out_layers_3", "time_emb_proj", "emb_layers_1");
        Matcher m = Pattern.compile("lora_unet_down_blocks_(\\d+)_(attentions|resnets)_(\\d+)_(.+)")
                .matcher(module);
        if (m.matches()) {
            return "diffusion_model_input_blocks_%d_%d_%s"
                    .formatted(1 + number(m, 1) * 3 + number(m, 3), inner(m.group(2)), suffix(m, 2, 4, resnet));
        }
        m = Pattern.compile("lora_unet_mid_block_(attentions|resnets)_(\\d+)_(.+)")
                .matcher(module);
        if (m.matches()) {
            int block = inner(m.group(1)) == 1 ? 1 : 2 * number(m, 2);
            return "diffusion_model_middle_block_%d_%s".formatted(block, suffix(m, 1, 3, resnet));
        }
        m = Pattern.compile("lora_unet_up_blocks_(\\d+)_(attentions|resnets)_(\\d+)_(.+)")
                .matcher(module);
        if (m.matches()) {
            return "diffusion_model_output_blocks_%d_%d_%s"
                    .formatted(number(m, 1) * 3 + number(m, 3), inner(m.group(2)), suffix(m, 2, 4, resnet));
        }
        m = Pattern.compile("lora_unet_down_blocks_(\\d+)_downsamplers_0_conv").matcher(module);
        if (m.matches()) {
            return "diffusion_model_input_blocks_%d_0_op".formatted(3 + number(m, 1) * 3);
        }
        m = Pattern.compile("lora_unet_up_blocks_(\\d+)_upsamplers_0_conv").matcher(module);
        if (m.matches()) {
            return "diffusion_model_output_blocks_%d_%d_conv".formatted(2 + number(m, 1) * 3, number(m, 1) > 0 ? 2 : 1);
        }
        m = Pattern.compile("lora_te_text_model_encoder_layers_(\\d+)_(.+)").matcher(module);
        if (m.matches()) {
            return "transformer_text_model_encoder_layers_" + m.group(1) + "_" + m.group(2);
        }
        m = Pattern.compile("lora_te2_text_model_encoder_layers_(\\d+)_(.+)").matcher(module);
        if (m.matches()) {
            return "1_model_transformer_resblocks_" + m.group(1) + "_"
                    + m.group(2)
                            .replace("mlp_fc1", "mlp_c_fc")
                            .replace("mlp_fc2", "mlp_c_proj")
                            .replace("self_attn", "attn");
        }
        return module;
    }

    private static int number(Matcher m, int group) {
        return Integer.parseInt(m.group(group));
    }

    private static int inner(String kind) {
        return kind.equals("attentions") ? 1 : 0;
    }

    private static String suffix(Matcher m, int kind, int tail, Map<String, String> resnet) {
        return inner(m.group(kind)) == 1 ? m.group(tail) : resnet.getOrDefault(m.group(tail), m.group(tail));
    }
}
