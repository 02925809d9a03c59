package training.lora.trainer.convert;

import com.fasterxml.jackson.core.type.TypeReference;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;

/**
 * What becomes of each option of a tool, from the resource of its name. Options in groups are written with points, as in
 * {@code train.steps}; so are those of lists' entries.
 */
record OptionTable(Map<String, Option> options) {
    /** Reads the table {@code name}. */
    static OptionTable read(String name) {
        try (InputStream in = OptionTable.class.getResourceAsStream(name + ".yaml")) {
            if (in == null) {
                throw new IllegalStateException("no table " + name);
            }
            Map<String, Option> options =
                    Json.STRICT_YAML.readValue(in, new TypeReference<LinkedHashMap<String, Option>>() {});
            options.forEach((key, option) -> {
                if (option.to() == null && option.ignored() == null && option.refused() == null) {
                    throw new IllegalStateException(name + " says nothing of " + key);
                }
            });
            return new OptionTable(options);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** What is said of {@code key}; null where it is unknown. */
    @Nullable Option get(String key) {
        return options.get(key);
    }

    /** Whether {@code key} has options below it. */
    boolean isGroup(String key) {
        return options.keySet().stream().anyMatch(option -> option.startsWith(key + "."));
    }
}
