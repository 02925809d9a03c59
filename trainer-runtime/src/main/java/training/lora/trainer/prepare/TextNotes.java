package training.lora.trainer.prepare;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import training.lora.api.PromptSpec;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.dataset.Wildcards;
import training.lora.trainer.prepare.picture.Item;

/** What people should know of the texts of a run, each in a sentence; null if nothing. */
final class TextNotes {
    private TextNotes() {}

    /** A text whose end no text encoder reads, and how long it may be. */
    record Limit(int tokens, Predicate<String> cuts) {}

    /** Where some were left behind something may be missing: a damaged file is found so. */
    static @Nullable String invisible(List<Item> items) {
        List<String> found = names(items, item -> item.invisible() > 0);
        return found.isEmpty()
                ? null
                : "invisible characters were left out of %d of %d captions, such as that of %s"
                        .formatted(found.size(), items.size(), found.get(0));
    }

    /** Captions that look as if one of several words were drawn, where none is. */
    static @Nullable String choices(List<Item> items) {
        List<String> found =
                names(items, item -> item.said() != null && item.said().stream().anyMatch(Wildcards::looksLikeOne));
        return found.isEmpty()
                ? null
                : "%d of %d captions have choices in braces, such as that of %s, which are trained on as they stand there; with `spec.preparation.captions.wildcards` one is drawn each time"
                        .formatted(found.size(), items.size(), found.get(0));
    }

    /** Captions that are cut. */
    static @Nullable String cutCaptions(List<Sample> samples, Limit limit) {
        List<String> cut = samples.stream()
                .filter(sample -> texts(sample).stream().anyMatch(limit.cuts()))
                .map(Sample::name)
                .distinct()
                .toList();
        // Copies and other sizes of a picture count once.
        return cut.isEmpty()
                ? null
                : "%d of %d captions are longer than %d tokens (`spec.training.captions.maxTokens`) and lose their ends, such as that of %s"
                        .formatted(cut.size(), pictures(samples), limit.tokens(), cut.get(0));
    }

    /** How many pictures samples are of. */
    static int pictures(List<Sample> samples) {
        return (int) samples.stream().map(Sample::name).distinct().count();
    }

    /** Pictures are learned without words as well, but no prompt calls what they show. */
    static @Nullable String withoutWords(List<Sample> samples) {
        List<String> empty = samples.stream()
                .filter(sample -> sample.caption().isEmpty() && sample.captionFrom() != null)
                .map(Sample::name)
                .distinct()
                .toList();
        return empty.isEmpty()
                ? null
                : "a caption should say what its picture shows, but %d of %d are empty, such as that of %s"
                        .formatted(empty.size(), pictures(samples), empty.get(0));
    }

    /** All that may be drawn for it, as long as it may be. */
    private static List<String> texts(Sample sample) {
        List<String> variants = sample.variants();
        return variants == null ? List.of(sample.caption()) : Wildcards.longest(variants);
    }

    /** Prompts that are cut, of those that are drawn. */
    static @Nullable String cutPrompts(List<PromptSpec> sampling, List<PromptSpec> evaluation, Limit limit) {
        List<String> cut = new ArrayList<>();
        cut(cut, "spec.sampling.prompts", sampling, limit);
        cut(cut, "spec.evaluation.prompts", evaluation, limit);
        return cut.isEmpty()
                ? null
                : "prompts that are longer than %d tokens (`spec.training.captions.maxTokens`) lose their ends: %s"
                        .formatted(limit.tokens(), String.join(", ", cut));
    }

    private static void cut(List<String> cut, String field, List<PromptSpec> prompts, Limit limit) {
        for (int i = 0; i < prompts.size(); i++) {
            if (limit.cuts().test(prompts.get(i).text())) {
                cut.add("`%s[%d].text`".formatted(field, i));
            }
            if (limit.cuts().test(prompts.get(i).negative())) {
                cut.add("`%s[%d].negative`".formatted(field, i));
            }
        }
    }

    private static List<String> names(List<Item> items, Predicate<Item> which) {
        return items.stream().filter(which).map(Item::name).toList();
    }
}
