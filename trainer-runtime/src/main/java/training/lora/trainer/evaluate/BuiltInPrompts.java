package training.lora.trainer.evaluate;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import training.lora.api.ConceptMode;
import training.lora.api.DatasetSpec;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.PromptSpec;
import training.lora.trainer.dataset.Concepts;
import training.lora.trainer.dataset.Concepts.Concept;

/**
 * Prompts for what the mode of each concept teaches, from resources of one prompt a line. They name places, materials and
 * techniques that every CLIP model knows and that training pictures needn't have, so that a picture of one shows what was
 * learned and not what was copied. Those that name no concept show what was kept of everything else.
 */
final class BuiltInPrompts {
    private static final int OF_ONE = 8;
    private static final int OF_EACH = 4;
    private static final String OTHERS = "others";

    private BuiltInPrompts() {}

    /** @param seed of the first; those of the others count up */
    static List<PromptSpec> of(LoraTrainingSpec spec, Concepts concepts, long seed) {
        List<String> texts = new ArrayList<>();
        int each = concepts.all().size() == 1 ? OF_ONE : OF_EACH;
        for (Concept concept : concepts.all()) {
            texts.addAll(texts(spec, concept).subList(0, each));
        }
        if (concepts.all().stream().noneMatch(c -> c.trigger() == null)) {
            texts.addAll(lines(OTHERS));
        }
        return prompts(texts, seed);
    }

    /** So many that are for the concepts in turn, at most {@value #OF_ONE} for each; seeds count up from 0. */
    static List<PromptSpec> inTurn(LoraTrainingSpec spec, Concepts concepts, int count) {
        List<List<String>> ofEach =
                concepts.all().stream().map(concept -> texts(spec, concept)).toList();
        List<String> texts = new ArrayList<>();
        for (int i = 0; i < Math.min(count, OF_ONE * ofEach.size()); i++) {
            texts.add(ofEach.get(i % ofEach.size()).get(i / ofEach.size()));
        }
        return prompts(texts, 0);
    }

    private static List<PromptSpec> prompts(List<String> texts, long seed) {
        List<PromptSpec> prompts = new ArrayList<>();
        for (String text : texts) {
            prompts.add(new PromptSpec(text, "", seed + prompts.size()));
        }
        return prompts;
    }

    /** All that there are for a concept, {@value #OF_ONE}. */
    private static List<String> texts(LoraTrainingSpec spec, Concept concept) {
        ConceptMode mode = mode(spec, concept);
        return lines(mode.name().toLowerCase(Locale.ROOT)).stream()
                .map(line -> text(line, mode, concept.trigger()))
                .toList();
    }

    private static ConceptMode mode(LoraTrainingSpec spec, Concept concept) {
        return spec.datasets().stream()
                .filter(d -> d.name().equals(concept.name()))
                .map(DatasetSpec::concept)
                .filter(c -> c != null)
                .map(c -> c.mode())
                .findFirst()
                .orElse(ConceptMode.Style);
    }

    /** A line with the concept's words: where it names them, or as its mode calls it. */
    private static String text(String line, ConceptMode mode, @Nullable String trigger) {
        if (trigger == null) {
            return line;
        }
        return line.contains(ConceptMode.PLACEHOLDER)
                ? line.replace(ConceptMode.PLACEHOLDER, trigger)
                : line + ", " + mode.phrase(trigger);
    }

    static List<String> lines(String name) {
        try (InputStream in = BuiltInPrompts.class.getResourceAsStream("prompts/" + name + ".txt")) {
            if (in == null) {
                throw new IllegalStateException("no prompts for " + name);
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8).lines().toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
