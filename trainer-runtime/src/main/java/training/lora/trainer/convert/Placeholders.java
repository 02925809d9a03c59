package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import training.lora.api.ConceptMode;

/**
 * What stands for the words that call a concept in captions and prompts here, and is text as any other to other tools.
 *
 * @param all as they are written: that of any concept, and those of the data sets that have one
 */
record Placeholders(List<String> all) {
    Placeholders {
        all = List.copyOf(all);
    }

    static final Placeholders NONE = new Placeholders(List.of());

    /**
     * Those of {@code draft}, all of whose data sets are there.
     *
     * @param meant those that are meant to be one, as the tool's users write them
     */
    static Placeholders of(Draft draft, Set<String> meant) {
        List<String> all = new ArrayList<>(List.of(ConceptMode.PLACEHOLDER));
        for (JsonNode dataset : draft.at("datasets")) {
            if (dataset.has("concept")) {
                all.add("<" + dataset.path("name").asText() + ">");
            }
        }
        all.removeIf(meant::contains);
        return new Placeholders(all);
    }

    /** The first that {@code text} has in it; null where it has none. */
    @Nullable String in(String text) {
        return all.stream().filter(text::contains).findFirst().orElse(null);
    }

    /** Refuses a prompt of option {@code key} that has one. */
    void refuse(Options options, String key, String prompt) {
        String found = in(prompt);
        if (found != null) {
            throw options.wrong(key, "have prompts %s, but \"%s\" has it".formatted(without(found), prompt));
        }
    }

    /** What {@code text} must be without, in a sentence. */
    static String without(String placeholder) {
        return "without %s, which stands for the words that call a concept here".formatted(placeholder);
    }
}
