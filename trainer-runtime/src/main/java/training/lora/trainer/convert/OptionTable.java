package training.lora.trainer.convert;

import com.fasterxml.jackson.core.type.TypeReference;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;

/**
 * What becomes of each option of a tool, from the resource of its name. Options in groups are written with points, as in
 * {@code train.steps}; so are those of lists' entries.
 *
 * @param groups those in which options of the root may stand too
 */
record OptionTable(Map<String, Option> options, List<String> groups) {
    /** Reads the table {@code name}. */
    static OptionTable read(String name) {
        return read(name, name.equals("kohya") ? KohyaConfig.GROUPS : List.of());
    }

    private static OptionTable read(String name, List<String> groups) {
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
            return new OptionTable(options, groups);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** What is said of {@code key}; null where it is unknown. */
    @Nullable Option get(String key) {
        Option option = options.get(key);
        for (String group : groups) {
            if (option == null && key.startsWith(group + ".")) {
                String name = key.substring(group.length() + 1);
                option = options.getOrDefault(name, options.get(groups.get(0) + "." + name));
            }
        }
        return option;
    }

    /** Whether {@code key} has options below it. */
    boolean isGroup(String key) {
        return groups.contains(key) || options.keySet().stream().anyMatch(option -> option.startsWith(key + "."));
    }
}
