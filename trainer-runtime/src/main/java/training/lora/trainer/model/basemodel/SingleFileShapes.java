package training.lora.trainer.model.basemodel;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.IntFunction;
import training.lora.api.Json;
import training.lora.api.ModelFamily;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.model.text.ClipVocabulary;
import training.lora.trainer.model.weights.Stored;
import training.lora.trainer.tensor.SafeTensors;

/**
 * Describes a single file's networks as their config.json would: sizes by the shapes of its tensors, the rest by the family
 * as published (numbers of heads, group norms of 32 groups, activations, side of the pictures).
 */
final class SingleFileShapes {
    /** Width of a head of attention in CLIP's text towers and in SDXL's denoiser. */
    private static final int HEAD = 64;

    /** Heads of attention in the denoiser of Stable Diffusion 1.x. */
    private static final int SD15_HEADS = 8;

    private static final int GROUPS = 32;

    /** Width of the embedding of each of SDXL's six sizes. */
    private static final int SIZE_WIDTH = 256;

    private final Path file;
    private final Map<String, SafeTensors.Entry> tensors;
    private final ModelFamily family;

    SingleFileShapes(Path file, Map<String, SafeTensors.Entry> tensors, ModelFamily family) {
        this.file = file;
        this.tensors = tensors;
        this.family = family;
    }

    /** A denoiser with names in the original code, behind {@link ModelKind#UNET}. */
    ObjectNode unet() {
        ObjectNode config = Json.MAPPER.createObjectNode();
        List<Integer> widths = new ArrayList<>();
        List<Boolean> attention = new ArrayList<>();
        List<Integer> depths = new ArrayList<>();
        int layers = layers();
        for (int i = 1; has(input(i, "0.in_layers.0.weight")); i += layers + 1) {
            boolean attends = has(input(i, "1.norm.weight"));
            attention.add(attends);
            widths.add(size(input(i, "0.out_layers.3.weight"), 4, 0, attends ? headed() : GROUPS));
            String blocks = input(i, "1.transformer_blocks.");
            depths.add(Math.max(1, count(n -> blocks + n + ".norm1.weight")));
        }
        size(ModelKind.UNET + "middle_block.0.out_layers.3.weight", 4, 0, headed());
        String middle = ModelKind.UNET + "middle_block.1.transformer_blocks.";
        depths.set(depths.size() - 1, count(n -> middle + n + ".norm1.weight"));
        config.put("in_channels", ModelKind.CHANNELS);
        config.put("out_channels", size(ModelKind.UNET + "out.2.weight", 4, 0, 1));
        config.put("cross_attention_dim", size(middle + "0.attn2.to_k.weight", 2, 1, 1));
        config.put("layers_per_block", layers);
        config.put("norm_num_groups", GROUPS);
        config.set("block_out_channels", Json.MAPPER.valueToTree(widths));
        config.set("transformer_layers_per_block", Json.MAPPER.valueToTree(depths));
        types(config.putArray("down_block_types"), attention, "CrossAttnDownBlock2D", "DownBlock2D");
        Collections.reverse(attention);
        types(config.putArray("up_block_types"), attention, "CrossAttnUpBlock2D", "UpBlock2D");
        switch (family) {
            case SD15 -> {
                config.put("sample_size", 64);
                config.put("attention_head_dim", SD15_HEADS);
            }
            case SDXL -> {
                config.put("sample_size", 128);
                config.put("use_linear_projection", true);
                config.set(
                        "attention_head_dim",
                        Json.MAPPER.valueToTree(
                                widths.stream().map(w -> Math.max(1, w / HEAD)).toList()));
                config.put("addition_embed_type", "text_time");
                config.put("addition_time_embed_dim", SIZE_WIDTH);
                config.put(
                        "projection_class_embeddings_input_dim",
                        size(ModelKind.UNET + "label_emb.0.0.weight", 2, 1, 1));
            }
        }
        return config;
    }

    /** ResNets of the finest level, which ends where a downsampler, or the network's lower half, does. */
    private int layers() {
        int layers = count(n -> input(n + 1, "0.in_layers.0.weight"));
        if (layers == 0) {
            throw missing(input(1, "0.in_layers.0.weight"));
        }
        return layers;
    }

    /** What the width of a level with attention is a multiple of. */
    private int headed() {
        return family == ModelFamily.SDXL ? HEAD : GROUPS;
    }

    private static String input(int block, String name) {
        return ModelKind.UNET + "input_blocks." + block + "." + name;
    }

    private static void types(ArrayNode types, List<Boolean> attention, String with, String without) {
        attention.forEach(a -> types.add(a ? with : without));
    }

    /** An autoencoder; {@code place} is where the file has the tensor that diffusers calls so. */
    ObjectNode vae(Function<String, String> place) {
        ObjectNode config = Json.MAPPER.createObjectNode();
        ArrayNode widths = config.putArray("block_out_channels");
        IntFunction<String> level = n -> "encoder.down_blocks." + n + ".resnets.";
        for (int i = 0; i == 0 || has(place.apply(level.apply(i) + "0.conv1.weight")); i++) {
            widths.add(size(place.apply(level.apply(i) + "0.conv1.weight"), 4, 0, GROUPS));
        }
        config.put("layers_per_block", count(n -> place.apply(level.apply(0) + n + ".conv1.weight")));
        config.put("latent_channels", size(place.apply("decoder.conv_in.weight"), 4, 1, 1));
        config.put("norm_num_groups", GROUPS);
        return config;
    }

    /**
     * A text tower of CLIP's vocabulary.
     *
     * @param place where the file has the tensor that transformers calls so
     * @param second whether it is SDXL's second
     */
    ObjectNode text(Function<String, Stored> place, boolean second) {
        Function<String, String> key = name -> place.apply(name).key();
        ObjectNode config = Json.MAPPER.createObjectNode();
        String tokens = key.apply("text_model.embeddings.token_embedding.weight");
        String positions = key.apply("text_model.embeddings.position_embedding.weight");
        int width = size(tokens, 2, 1, HEAD);
        if (size(tokens, 2, 0, 1) != ClipVocabulary.TOKENS) {
            throw wrong(
                    tokens,
                    "have " + ClipVocabulary.TOKENS
                            + " rows, CLIP's vocabulary, for a single file has no tokenizer of another: take the model's diffusers folder",
                    new long[] {size(tokens, 2, 0, 1), width});
        }
        rows(positions, ClipVocabulary.LENGTH);
        config.put("vocab_size", ClipVocabulary.TOKENS);
        config.put("max_position_embeddings", ClipVocabulary.LENGTH);
        config.put("hidden_size", width);
        config.put("num_attention_heads", width / HEAD);
        config.put("intermediate_size", size(key.apply("text_model.encoder.layers.0.mlp.fc1.weight"), 2, 0, 1));
        config.put(
                "num_hidden_layers", count(n -> key.apply("text_model.encoder.layers." + n + ".layer_norm1.weight")));
        config.put("hidden_act", second ? "gelu" : "quick_gelu");
        if (second) {
            Stored projection = place.apply("text_projection.weight");
            config.put("projection_dim", size(projection.key(), 2, projection.transposed() ? 1 : 0, 1));
        }
        return config;
    }

    private boolean has(String key) {
        return tensors.containsKey(key);
    }

    private int count(IntFunction<String> key) {
        int count = 0;
        while (has(key.apply(count))) {
            count++;
        }
        return count;
    }

    /** One of a tensor's sizes, a multiple of {@code unit}. */
    private int size(String key, int dimensions, int dimension, int unit) {
        SafeTensors.Entry entry = tensors.get(key);
        if (entry == null) {
            throw missing(key);
        }
        long[] shape = entry.shape();
        if (shape.length != dimensions || shape[dimension] <= 0 || shape[dimension] % unit != 0) {
            throw wrong(
                    key,
                    "have %d dimensions, of which number %d is a multiple of %d"
                            .formatted(dimensions, dimension + 1, unit),
                    shape);
        }
        return Math.toIntExact(shape[dimension]);
    }

    private void rows(String key, int value) {
        SafeTensors.Entry entry = tensors.get(key);
        if (entry == null) {
            throw missing(key);
        }
        if (entry.shape().length != 2 || entry.shape()[0] != value) {
            throw wrong(key, "have " + value + " rows, as CLIP's has", entry.shape());
        }
    }

    private TrainerException missing(String key) {
        return new TrainerException(
                Reason.InvalidBaseModel, "%s must hold %s, as %s does".formatted(file, key, published()));
    }

    private TrainerException wrong(String key, String what, long[] shape) {
        return new TrainerException(
                Reason.InvalidBaseModel,
                "%s in %s must %s, but has shape %s".formatted(key, file, what, Arrays.toString(shape)));
    }

    private String published() {
        return switch (family) {
            case SD15 -> "Stable Diffusion 1.x";
            case SDXL -> "Stable Diffusion XL";
        };
    }
}
