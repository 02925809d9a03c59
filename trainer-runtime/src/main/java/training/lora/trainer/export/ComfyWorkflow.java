package training.lora.trainer.export;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.soabase.recordbuilder.core.RecordBuilder;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;
import training.lora.api.Prediction;
import training.lora.api.PromptSpec;
import training.lora.trainer.WholeWords;
import training.lora.trainer.files.WholeFile;
import training.lora.trainer.model.basemodel.Schedule;

/**
 * A workflow for ComfyUI, in its API form, which can be dragged into its window or posted to it: the base model, the LoRA
 * and a picture of one prompt by Euler's method.
 *
 * @param baseModel name of the base model, whose checkpoint ComfyUI must have
 * @param name of the pictures' files
 * @param baseAdapters LoRAs that are a part of the base model, in their order
 * @param lora name of the LoRA's file in kohya's form, which goes to ComfyUI's {@code models/loras}; null for none
 * @param embeddings triggers whose embeddings go to ComfyUI's {@code models/embeddings}, a file called as each
 * @param prompt what is drawn
 * @param steps of the sampler
 * @param guidance scale of the guidance
 * @param strength of the adapter
 * @param resolution side of the picture in pixels
 * @param schedule of the base model's noise
 */
@RecordBuilder
public record ComfyWorkflow(
        String baseModel,
        String name,
        List<BaseAdapter> baseAdapters,
        @Nullable String lora,
        List<String> embeddings,
        PromptSpec prompt,
        int steps,
        double guidance,
        double strength,
        int resolution,
        Schedule schedule) {
    private static final String MODEL = "model";

    private static final String BASE = "1";

    private static final String LORA = "2";

    /** The first of the base model's own LoRAs; the others are numbered on from it. */
    private static final int BASE_ADAPTERS = 10;

    /** They weigh what they enclose; square ones and braces mean nothing to its text encoder. */
    private static final Pattern BRACKET = Pattern.compile("[()]");

    /**
     * A LoRA of the base model.
     *
     * @param file its name in ComfyUI's {@code models/loras}
     * @param share how much of it is added to the weights
     */
    public record BaseAdapter(String file, double share) {}

    /** Writes it. */
    public void write(Path file) throws IOException {
        ObjectNode nodes = json();
        WholeFile.write(file, temporary -> Json.PRETTY.writeValue(temporary.toFile(), nodes));
    }

    /** Its nodes by number. */
    ObjectNode json() {
        ObjectNode nodes = Json.MAPPER.createObjectNode();
        ObjectNode checkpoint = node(nodes, BASE, "CheckpointLoaderSimple", "Base model: choose your checkpoint");
        checkpoint.put("ckpt_name", baseModel.endsWith(".safetensors") ? baseModel : baseModel + ".safetensors");
        for (int i = 0; i < baseAdapters.size(); i++) {
            BaseAdapter adapter = baseAdapters.get(i);
            lora(
                    nodes,
                    baseAdapter(i),
                    "A LoRA of the base model",
                    adapter.file(),
                    adapter.share(),
                    baseAdapter(i - 1));
        }
        if (lora != null) {
            lora(nodes, LORA, "The trained LoRA", lora, strength, baseAdapter(baseAdapters.size() - 1));
        }
        text(nodes, "3", "Prompt", prompt.text());
        text(nodes, "4", "Negative prompt", prompt.negative());
        node(nodes, "5", "EmptyLatentImage", "Size")
                .put("width", resolution)
                .put("height", resolution)
                .put("batch_size", 1);
        ObjectNode sampler = node(nodes, "6", "KSampler", "Sampler")
                .put("seed", prompt.seed())
                .put("steps", steps)
                .put("cfg", guidance)
                .put("sampler_name", "euler")
                .put("scheduler", scheduler())
                .put("denoise", 1.0);
        link(sampler, MODEL, velocity() ? "9" : model(), 0);
        link(sampler, "positive", "3", 0);
        link(sampler, "negative", "4", 0);
        link(sampler, "latent_image", "5", 0);
        ObjectNode decoder = node(nodes, "7", "VAEDecode", "Latents to pixels");
        link(decoder, "samples", "6", 0);
        link(decoder, "vae", BASE, 2);
        ObjectNode save = node(nodes, "8", "SaveImage", "Picture");
        save.put("filename_prefix", name);
        link(save, "images", "7", 0);
        if (velocity()) {
            ObjectNode prediction = node(nodes, "9", "ModelSamplingDiscrete", "Prediction type");
            prediction.put("sampling", "v_prediction").put("zsnr", schedule.zeroTerminalSnr());
            link(prediction, MODEL, model(), 0);
        }
        return nodes;
    }

    private boolean velocity() {
        return schedule.prediction() == Prediction.V;
    }

    /** The timesteps nearest to the run's: "simple" counts down from the last, which zero-terminal SNR needs. */
    private String scheduler() {
        return schedule.spacing() == Schedule.Spacing.Trailing ? "simple" : "normal";
    }

    private static void lora(ObjectNode nodes, String id, String title, String file, double strength, String onTopOf) {
        ObjectNode loader = node(nodes, id, "LoraLoader", title);
        loader.put("lora_name", file).put("strength_model", strength).put("strength_clip", strength);
        link(loader, MODEL, onTopOf, 0);
        link(loader, "clip", onTopOf, 1);
    }

    /** The node of the base model's LoRA {@code i}, or the base model's below the first. */
    private static String baseAdapter(int i) {
        return i < 0 ? BASE : Integer.toString(BASE_ADAPTERS + i);
    }

    /** The node that a model and its text encoders come from: the LoRA's, or the base model's without one. */
    private String model() {
        return lora == null ? baseAdapter(baseAdapters.size() - 1) : LORA;
    }

    private void text(ObjectNode nodes, String id, String title, String text) {
        String literal = BRACKET.matcher(called(text)).replaceAll("\\\\$0");
        link(node(nodes, id, "CLIPTextEncode", title).put("text", literal), "clip", model(), 1);
    }

    /** {@code text} with its embeddings as ComfyUI calls them, each a word between spaces. */
    private String called(String text) {
        String any = embeddings.stream()
                .sorted(Comparator.comparingInt(String::length).reversed())
                .map(word -> WholeWords.of(word).pattern())
                .collect(Collectors.joining("|"));
        if (any.isEmpty()) {
            return text;
        }
        return Pattern.compile(any, Pattern.CASE_INSENSITIVE | Pattern.UNICODE_CASE)
                .matcher(text)
                .replaceAll(found -> Matcher.quoteReplacement(" embedding:" + word(found.group()) + " "))
                .replaceAll(" {2,}", " ")
                .strip();
    }

    private String word(String found) {
        return embeddings.stream().filter(found::equalsIgnoreCase).findFirst().orElseThrow();
    }

    /** Adds a node; what is returned are its inputs. */
    private static ObjectNode node(ObjectNode nodes, String id, String type, String title) {
        ObjectNode node = nodes.putObject(id);
        ObjectNode inputs = node.putObject("inputs");
        node.put("class_type", type);
        node.putObject("_meta").put("title", title);
        return inputs;
    }

    private static void link(ObjectNode inputs, String input, String from, int output) {
        inputs.putArray(input).add(from).add(output);
    }
}
