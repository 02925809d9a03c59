package training.lora.trainer.model.basemodel;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import training.lora.api.Json;
import training.lora.api.ModelFamily;
import training.lora.trainer.model.text.ClipVocabulary;

/**
 * What a diffusers folder of a single file's model has beside weights: the files by which diffusers and transformers know
 * its parts. Sizes are those of the file's tensors; what these don't tell is the family's, as published.
 */
public final class FolderDescription {
    /** The oldest version of diffusers that the folder is for. */
    private static final String VERSION = "0.30.0";

    private static final int CHANNELS = 3;
    private static final double LAYER_NORM_EPS = 1e-5;

    private final SingleFile file;
    private final boolean xl;

    public FolderDescription(SingleFile file) {
        this.file = file;
        this.xl = file.family() == ModelFamily.SDXL;
    }

    /** The networks of the model. */
    public List<Part> parts() {
        return xl ? List.of(Part.values()) : List.of(Part.UNet, Part.Vae, Part.TextEncoder);
    }

    /** Writes them into {@code folder}, each where diffusers looks for it. */
    public void write(Path folder) throws IOException {
        json(folder.resolve(PartFiles.INDEX), index());
        json(folder.resolve("scheduler/scheduler_config.json"), scheduler());
        for (Part part : parts()) {
            json(folder.resolve(part.folder()).resolve("config.json"), config(part));
        }
        tokenizer(folder.resolve("tokenizer"), "<|endoftext|>");
        if (xl) {
            // SDXL's second encoder was trained on texts that end in zeros, the number of "!".
            tokenizer(folder.resolve("tokenizer_2"), "!");
        }
    }

    private static void json(Path file, ObjectNode node) throws IOException {
        Files.createDirectories(file.getParent());
        Json.PRETTY.writeValue(file.toFile(), node);
    }

    private static ObjectNode of(String type) {
        return Json.MAPPER.createObjectNode().put("_class_name", type).put("_diffusers_version", VERSION);
    }

    private ObjectNode index() {
        ObjectNode index = of(xl ? "StableDiffusionXLPipeline" : "StableDiffusionPipeline");
        if (xl) {
            index.put("force_zeros_for_empty_prompt", true);
            part(index, "text_encoder_2", "transformers", "CLIPTextModelWithProjection");
            part(index, "tokenizer_2", "transformers", "CLIPTokenizer");
        } else {
            index.put("requires_safety_checker", false);
            index.putArray("safety_checker").addNull().addNull();
        }
        for (String none : List.of("feature_extractor", "image_encoder")) {
            index.putArray(none).addNull().addNull();
        }
        part(index, "scheduler", "diffusers", "EulerDiscreteScheduler");
        part(index, "text_encoder", "transformers", "CLIPTextModel");
        part(index, "tokenizer", "transformers", "CLIPTokenizer");
        part(index, "unet", "diffusers", "UNet2DConditionModel");
        part(index, "vae", "diffusers", "AutoencoderKL");
        return index;
    }

    private static void part(ObjectNode index, String name, String library, String type) {
        index.putArray(name).add(library).add(type);
    }

    private ObjectNode scheduler() {
        return of("EulerDiscreteScheduler").setAll(file.noise().scheduler(file.family()));
    }

    private ObjectNode config(Part part) {
        ObjectNode sizes = file.part(part).describes();
        return switch (part) {
            case UNet -> of("UNet2DConditionModel").setAll(sizes);
            case Vae -> autoencoder(sizes);
            case TextEncoder, TextEncoder2 -> text(part, sizes);
        };
    }

    private ObjectNode autoencoder(ObjectNode sizes) {
        ObjectNode config = of("AutoencoderKL").setAll(sizes);
        int levels = sizes.get("block_out_channels").size();
        types(config.putArray("down_block_types"), levels, "DownEncoderBlock2D");
        types(config.putArray("up_block_types"), levels, "UpDecoderBlock2D");
        return config.put("act_fn", "silu")
                .put("in_channels", CHANNELS)
                .put("out_channels", CHANNELS)
                .put("sample_size", xl ? 1024 : 512)
                .put("scaling_factor", xl ? 0.13025 : 0.18215)
                // SDXL's own overflows in fp16.
                .put("force_upcast", xl);
    }

    private static void types(ArrayNode types, int levels, String type) {
        Collections.nCopies(levels, type).forEach(types::add);
    }

    private static ObjectNode text(Part part, ObjectNode sizes) {
        boolean second = part == Part.TextEncoder2;
        ObjectNode config = Json.MAPPER.createObjectNode();
        config.putArray("architectures").add(second ? "CLIPTextModelWithProjection" : "CLIPTextModel");
        // As published: transformers then takes the greatest token for a text's end, which is what CLIP's vocabulary
        // has there.
        config.put("model_type", "clip_text_model")
                .put("bos_token_id", 0)
                .put("eos_token_id", 2)
                .put("pad_token_id", 1)
                .put("layer_norm_eps", LAYER_NORM_EPS)
                .put("projection_dim", sizes.get("hidden_size").asInt());
        return config.setAll(sizes);
    }

    private static void tokenizer(Path folder, String pad) throws IOException {
        ClipVocabulary vocabulary = ClipVocabulary.load();
        Files.createDirectories(folder);
        Json.MAPPER.writeValue(folder.resolve("vocab.json").toFile(), vocabulary.ids());
        List<String> merges = new ArrayList<>(List.of("#version: 0.2"));
        merges.addAll(vocabulary.merges());
        Files.writeString(folder.resolve("merges.txt"), String.join("\n", merges) + "\n", StandardCharsets.UTF_8);
        ObjectNode special = Json.MAPPER
                .createObjectNode()
                .put("bos_token", "<|startoftext|>")
                .put("eos_token", "<|endoftext|>")
                .put("pad_token", pad)
                .put("unk_token", "<|endoftext|>");
        json(folder.resolve("special_tokens_map.json"), special);
        ObjectNode config = special.deepCopy()
                .put("add_prefix_space", false)
                .put("do_lower_case", true)
                .put("errors", "replace")
                .put("model_max_length", ClipVocabulary.LENGTH)
                .put("tokenizer_class", "CLIPTokenizer");
        json(folder.resolve("tokenizer_config.json"), config);
    }
}
