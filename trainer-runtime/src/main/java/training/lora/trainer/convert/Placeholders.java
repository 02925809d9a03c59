package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
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

    /**
     * Those of {@code draft}, all of whose data sets are there.
     *
     * @param meant what is meant to be one, as its tool's users write it; null where there is nothing
     */
    static Placeholders of(Draft draft, @Nullable String meant) {
        List<String> all = new ArrayList<>(List.of(ConceptMode.PLACEHOLDER));
        for (JsonNode dataset : draft.at("datasets")) {
            if (dataset.has("concept")) {
                all.add("<" + dataset.path("name").asText() + ">");
            }
        }
        all.removeIf(placeholder -> placeholder.equals(meant));
        return new Placeholders(all);
    }

    /** The first that {@code text} has in it; null where it has none. */
    @Nullable String in(String text) {
        return all.stream().filter(text::contains).findFirst().orElse(null);
    }

    /** What {@code text} must be without, in a sentence. */
    static String without(String placeholder) {
        return "without %s, which stands for the words that call a concept here".formatted(placeholder);
    }
}
