package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.SpecValidator;

/** Conversions of small configurations that tests put together. */
final class Conversions {
    static final Path CONFIGS = Path.of("src/test/resources/configs");

    private static final Set<String> LISTS =
            Set.of("datasets", "subsets", "concepts", "samples", "additional_embeddings");

    private static final ObjectMapper JSON = new ObjectMapper();

    private Conversions() {}

    /** The least configuration of {@code tool}, as JSON. */
    static ObjectNode least(Tool tool) throws IOException {
        return (ObjectNode)
                JSON.readTree(CONFIGS.resolve(tool.id() + "/least.json").toFile());
    }

    /** What stands in the table of {@code tool}, below its root. */
    static ObjectNode options(Tool tool, ObjectNode file) {
        return tool == Tool.AiToolkit ? (ObjectNode) file.at("/config/process/0") : file;
    }

    /** Sets an option, in the first entry where it is one of a list's. */
    static void set(ObjectNode options, String key, JsonNode value) {
        ObjectNode at = options;
        String[] steps = key.split("\\.");
        for (int i = 0; i < steps.length - 1; i++) {
            JsonNode next = at.get(steps[i]);
            if (next == null && LISTS.contains(steps[i])) {
                next = at.putArray(steps[i]);
            }
            if (next instanceof ArrayNode list) {
                next = list.isEmpty() ? list.addObject() : list.get(0);
            }
            at = next instanceof ObjectNode group ? group : at.putObject(steps[i]);
        }
        at.set(steps[steps.length - 1], value);
    }

    /** What comes of {@code config}, as if it stood in a file of {@code folder} and its tool had been started there. */
    static Converted convert(Tool tool, Path folder, ObjectNode config) throws IOException {
        Path file = Files.writeString(folder.resolve("config.json"), JSON.writeValueAsString(config));
        return Conversion.convert(tool, file, new Places(folder, folder));
    }

    /** What comes of kohya's options of a data set that {@code folder} has, unless they name others: TOML with "; " for line ends. */
    static Converted kohyaSets(@Nullable String from, Path folder, String options) throws IOException {
        boolean sets = !options.contains("train_data_dir") && !options.contains("dataset_config");
        return kohya(from, folder, (sets ? "train_data_dir = 'sets'; " : "") + options);
    }

    /** What comes of kohya's options and the least others, of the script {@code from} or, where it is null, of whichever they tell. */
    static Converted kohya(@Nullable String from, Path folder, String options) throws IOException {
        Path file = Files.writeString(
                folder.resolve("c.toml"),
                "pretrained_model_name_or_path = 'a/b'\nresolution = 512\n" + options.replace("; ", "\n"));
        Places places = new Places(folder, folder);
        return from == null ? Conversion.convert(Tool.Kohya, file, places) : Conversion.convert(from, file, places);
    }

    /** Puts a data set of one picture, by its name alone, where {@link #kohyaSets} looks. */
    static void kohyaPicture(Path folder) throws IOException {
        Files.createDirectories(folder.resolve("sets/3_robot"));
        Files.createFile(folder.resolve("sets/3_robot/a.png"));
    }

    /** What is said to be done in another way; empty where nothing is. */
    static String differences(Converted converted) {
        return converted.warnings().stream()
                .filter(warning -> warning.startsWith("done in another way here: "))
                .findFirst()
                .orElse("");
    }

    /** What is wrong with a resource. */
    static List<String> problems(JsonNode training) throws IOException {
        return SpecValidator.problems(Json.STRICT_YAML.treeToValue(training.get("spec"), LoraTrainingSpec.class));
    }

    static JsonNode json(String text) throws IOException {
        return JSON.readTree(text);
    }
}
