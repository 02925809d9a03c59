package training.lora.trainer.model.basemodel;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.zip.GZIPInputStream;
import training.lora.api.Json;
import training.lora.trainer.Goldens;
import training.lora.trainer.model.text.ClipVocabulary;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.SafeTensors;
import training.lora.trainer.tensor.SafeTensorsWriter;

/**
 * Models of which src/test/goldens/single_goldens.py tells by diffusers' conversion where a single file has each tensor; and
 * the tiny ones with random weights, as a single file and as the diffusers folder that the same conversion makes of it.
 */
public final class SingleGoldens {
    static final String INPUT = "model.diffusion_model.input_blocks.0.0.weight";
    static final String KEY = "model.diffusion_model.middle_block.1.transformer_blocks.0.attn2.to_k.weight";

    public static final Path FOLDER = Goldens.FOLDER.resolve("single");

    /**
     * A tensor.
     *
     * @param part its network's folder in diffusers' form; - for none
     * @param name its name there
     * @param shape its shape there
     * @param key its name in the single file
     * @param stored its shape in the single file
     * @param how what makes the one of the other: whole, squeezed, transposed or rows and the number of a third; - where
     *     that isn't told
     */
    public record Place(String part, String name, long[] shape, String key, long[] stored, String how) {
        static Place parse(String line) {
            String[] c = line.split("\t", -1);
            return new Place(c[0], c[1], shape(c[2]), c[3], shape(c[4]), c[5]);
        }

        private static long[] shape(String text) {
            return text.isEmpty()
                    ? new long[0]
                    : Arrays.stream(text.split("x")).mapToLong(Long::parseLong).toArray();
        }

        private NDArray convert(NDArray value) {
            return switch (how) {
                case "whole" -> value;
                case "squeezed" -> value.reshape(new Shape(shape));
                case "transposed" -> value.transpose();
                default -> {
                    long rows = shape[0];
                    long first = rows * Integer.parseInt(how.substring("rows".length()));
                    yield value.get(first + ":" + (first + rows));
                }
            };
        }
    }

    private SingleGoldens() {}

    /** All tensors of a model. */
    public static List<Place> places(String model) throws IOException {
        try (BufferedReader lines = new BufferedReader(new InputStreamReader(
                new GZIPInputStream(Files.newInputStream(FOLDER.resolve(model + ".tsv.gz"))),
                StandardCharsets.UTF_8))) {
            return lines.lines().map(Place::parse).toList();
        }
    }

    /** A model's config.json files by their folders. */
    public static JsonNode configs(String model) throws IOException {
        return Json.MAPPER.readTree(FOLDER.resolve("configs.json").toFile()).get(model);
    }

    /** A single file's header, with fp16 tensors. */
    public static Map<String, SafeTensors.Entry> header(String model) throws IOException {
        Map<String, SafeTensors.Entry> entries = new LinkedHashMap<>();
        long at = 0;
        for (Place place : places(model)) {
            if (!entries.containsKey(place.key())) {
                long end = at + 2 * Arrays.stream(place.stored()).reduce(1, (a, b) -> a * b);
                entries.put(place.key(), new SafeTensors.Entry("F16", place.stored(), at, end));
                at = end;
            }
        }
        return entries;
    }

    /** The tensors of a tiny model's single file, random in fp16. */
    public static Map<String, NDArray> tensors(String model, NDManager manager) throws IOException {
        Map<String, NDArray> tensors = new TreeMap<>();
        for (Place place : places(model)) {
            if (!tensors.containsKey(place.key())) {
                Shape shape = new Shape(place.stored());
                NDArray value = Randomness.normal(manager, tensors.size(), shape);
                boolean vector = shape.dimension() < 2;
                value.muli(vector ? 0.05 : 1 / Math.sqrt((double) shape.size() / shape.get(0)));
                if (vector && place.key().endsWith("weight")) {
                    value.addi(1);
                }
                tensors.put(place.key(), value.toType(DataType.FLOAT16, false));
            }
        }
        return tensors;
    }

    /** Writes a tiny model as a single file. */
    public static void writeFile(String model, Path file) throws IOException {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            SafeTensorsWriter.write(file, tensors(model, manager), Map.of());
        }
    }

    /** Writes the same as a diffusers folder. */
    public static void writeFolder(String model, Path folder) throws IOException {
        JsonNode configs = configs(model);
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Map<String, NDArray> single = tensors(model, manager);
            Map<String, Map<String, NDArray>> parts = new TreeMap<>();
            for (Place place : places(model)) {
                if (configs.has(place.part())) {
                    parts.computeIfAbsent(place.part(), p -> new LinkedHashMap<>())
                            .put(place.name(), place.convert(Objects.requireNonNull(single.get(place.key()))));
                }
            }
            for (Map.Entry<String, Map<String, NDArray>> part : parts.entrySet()) {
                Path place = folder.resolve(part.getKey());
                String stem = part.getKey().startsWith("text") ? "model" : "diffusion_pytorch_model";
                SafeTensorsWriter.write(place.resolve(stem + ".safetensors"), part.getValue(), Map.of());
                write(place.resolve("config.json"), configs.get(part.getKey()));
            }
        }
        boolean xl = configs.has("text_encoder_2");
        tokenizer(folder.resolve("tokenizer"), "<|endoftext|>");
        if (xl) {
            tokenizer(folder.resolve("tokenizer_2"), "!");
        }
        write(
                folder.resolve("scheduler/scheduler_config.json"),
                Json.MAPPER.readTree(
                        "{\"beta_start\": 0.00085, \"beta_end\": 0.012, \"beta_schedule\": \"scaled_linear\","
                                + " \"steps_offset\": 1}"));
        write(
                folder.resolve("model_index.json"),
                Json.MAPPER
                        .createObjectNode()
                        .put("_class_name", xl ? "StableDiffusionXLPipeline" : "StableDiffusionPipeline"));
    }

    private static void tokenizer(Path folder, String pad) throws IOException {
        ClipVocabulary vocabulary = ClipVocabulary.load();
        write(folder.resolve("vocab.json"), vocabulary.ids());
        Files.write(folder.resolve("merges.txt"), vocabulary.merges());
        ObjectNode config = Json.MAPPER.createObjectNode();
        write(folder.resolve("tokenizer_config.json"), config.put("pad_token", pad));
    }

    private static void write(Path file, JsonNode node) throws IOException {
        Files.createDirectories(file.getParent());
        Json.MAPPER.writeValue(file.toFile(), node);
    }

    /** Writes the model with changed tensors into {@code folder}. */
    static Path changed(Path folder, String model, Map<String, String> metadata, Consumer<Map<String, NDArray>> change)
            throws IOException {
        Path file = folder.resolve("changed.safetensors");
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Map<String, NDArray> tensors = tensors(model, manager);
            change.accept(tensors);
            SafeTensorsWriter.write(file, tensors, metadata);
        }
        return file;
    }

    static void rename(Map<String, NDArray> tensors, String key, String to) {
        tensors.put(to, Objects.requireNonNull(tensors.remove(key), key));
    }

    /** Entries of a header from "NAME 4x9, …"; INPUT and KEY are the tensors that tell an architecture. */
    static Map<String, SafeTensors.Entry> entries(String tensors) {
        Map<String, SafeTensors.Entry> entries = new LinkedHashMap<>();
        for (String tensor : tensors.split(", ")) {
            String[] parts = tensor.split(" ");
            long[] shape = Arrays.stream(parts[1].split("x"))
                    .mapToLong(Long::parseLong)
                    .toArray();
            String name = parts[0].replace("INPUT", INPUT).replace("KEY", KEY);
            entries.put(name, new SafeTensors.Entry("F16", shape, 0, 0));
        }
        return entries;
    }
}
