package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/**
 * A file of prompts: lines with options behind them ({@code a cat --n blurry --w 512 --h 512 --d 1 --l 7.5 --s 30}), a TOML
 * table {@code [prompt]} with {@code [[prompt.subset]]}, or a JSON array.
 */
final class KohyaPrompts {
    private static final Map<String, String> OPTIONS = Map.of(
            "n",
            "negative_prompt",
            "w",
            "width",
            "h",
            "height",
            "d",
            "seed",
            "l",
            "scale",
            "s",
            "sample_steps",
            "g",
            "guidance_scale",
            "ss",
            "sample_sampler");

    /** Options that its scripts have for other samplers, families and control images. */
    private static final List<String> TWO_LETTERS = List.of("fs", "cn", "am");

    private static final Set<String> TAKEN = Set.of("prompt", "negative_prompt", "seed");

    private static final List<String> OF_FIRST = List.of("sample_steps", "scale", "width", "height");

    private KohyaPrompts() {}

    /** Each prompt with its options, by their names in TOML and JSON. */
    static List<ObjectNode> read(Path file) {
        String name = file.getFileName().toString();
        List<ObjectNode> prompts = new ArrayList<>();
        if (name.endsWith(".toml")) {
            JsonNode common = ConfigText.options(file).path("prompt");
            for (JsonNode subset : common.path("subset")) {
                ObjectNode prompt = Json.MAPPER.createObjectNode();
                if (common instanceof ObjectNode all) {
                    prompt.setAll(all);
                }
                prompt.remove("subset");
                if (subset instanceof ObjectNode own) {
                    prompt.setAll(own);
                }
                prompts.add(prompt);
            }
        } else if (name.endsWith(".json")) {
            for (JsonNode entry : ConfigText.read(file)) {
                if (entry instanceof ObjectNode prompt) {
                    prompts.add(prompt);
                } else if (entry.isTextual()) {
                    prompts.add(line(entry.asText()));
                }
            }
        } else {
            ConfigText.text(file)
                    .lines()
                    .map(String::strip)
                    .filter(line -> !line.isEmpty() && !line.startsWith("#"))
                    .forEach(line -> prompts.add(line(line)));
        }
        for (ObjectNode prompt : prompts) {
            if (prompt.path("prompt").asText().isBlank()) {
                throw new TrainerException(
                        Reason.InvalidConfiguration,
                        "%s: each entry must have a `prompt`, but one has %s".formatted(file, prompt));
            }
        }
        return prompts;
    }

    /** Options stand behind two hyphens after a space; what is no option belongs to nothing, as there. */
    private static ObjectNode line(String line) {
        String[] parts = line.split(" --");
        ObjectNode prompt = Json.MAPPER.createObjectNode().put("prompt", parts[0].strip());
        for (int i = 1; i < parts.length; i++) {
            int space = parts[i].indexOf(' ');
            String key = space < 0 ? null : OPTIONS.get(parts[i].substring(0, space));
            if (key == null && space == 2 && TWO_LETTERS.contains(parts[i].substring(0, space))) {
                key = "--" + parts[i].substring(0, space);
            }
            if (key != null) {
                prompt.put(key, parts[i].substring(space + 1).strip());
            }
        }
        return prompt;
    }

    /** Says of which options nothing is taken over, and of which those of the first prompt alone. */
    static void noteOthers(List<ObjectNode> prompts, Findings findings) {
        Set<String> others = new TreeSet<>();
        prompts.forEach(prompt -> prompt.fieldNames().forEachRemaining(others::add));
        others.removeAll(TAKEN);
        others.removeAll(OF_FIRST);
        for (String other : others) {
            findings.ignores(other, "of prompts; pictures are drawn by Euler's method, of text alone");
        }
        List<String> differ = OF_FIRST.stream()
                .filter(key -> prompts.stream()
                                .map(prompt -> prompt.path(key).asText())
                                .distinct()
                                .count()
                        > 1)
                .toList();
        if (!differ.isEmpty()) {
            findings.note("of the prompts' %s that of the first counts for all".formatted(String.join(", ", differ)));
        }
    }

    /** The number of {@code key}; null where {@code prompt} has none. */
    static @Nullable BigDecimal number(ObjectNode prompt, String key) {
        JsonNode value = prompt.get(key);
        return value == null ? null : Values.number(value);
    }
}
