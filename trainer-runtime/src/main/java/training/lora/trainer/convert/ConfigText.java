package training.lora.trainer.convert;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.toml.TomlMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.NoTextException;
import training.lora.trainer.files.TextFile;

/** Reads JSON, TOML and YAML, by a file's ending. */
final class ConfigText {
    /** What Python's json reads: also NaN and Infinity, and after a byte order mark. */
    private static final ObjectMapper JSON = JsonMapper.builder()
            .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .build();

    private static final ObjectMapper TOML = TomlMapper.builder().build();

    private ConfigText() {}

    /** Whether its name says that {@code file} is JSON, TOML or YAML. */
    static boolean isTable(Path file) {
        String name = file.getFileName().toString();
        return List.of(".json", ".toml", ".yaml", ".yml").stream().anyMatch(name::endsWith);
    }

    /**
     * What {@code file} holds, which is JSON, TOML or, with any other ending, YAML.
     *
     * @throws TrainerException InvalidConfiguration where it can't be read, with the line
     */
    static JsonNode read(Path file) {
        String name = file.getFileName().toString();
        String kind = name.endsWith(".json") ? "JSON" : name.endsWith(".toml") ? "TOML" : "YAML";
        ObjectMapper mapper = kind.equals("JSON") ? JSON : kind.equals("TOML") ? TOML : Json.STRICT_YAML;
        try {
            return mapper.readTree(text(file));
        } catch (JsonProcessingException e) {
            throw new TrainerException(
                    Reason.InvalidConfiguration, "%s must be %s: %s".formatted(file, kind, Json.problem(e)), e);
        }
    }

    /** The same, where it must be a table of options. */
    static ObjectNode options(Path file) {
        if (read(file) instanceof ObjectNode options) {
            return options;
        }
        throw new TrainerException(Reason.InvalidConfiguration, file + " must be a table of options");
    }

    /** The text of {@code file}. */
    static String text(Path file) {
        if (!Files.isRegularFile(file)) {
            throw new TrainerException(Reason.InvalidConfiguration, file + " must be a file");
        }
        try {
            return TextFile.read(file);
        } catch (NoTextException e) {
            throw new TrainerException(Reason.InvalidConfiguration, file + " " + e.getMessage());
        } catch (IOException e) {
            throw new TrainerException(Reason.InvalidConfiguration, file + " must be a file that can be read", e);
        }
    }
}
