package training.lora.trainer.prepare.words;

import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.api.ConceptMode;
import training.lora.api.ConceptSpec;
import training.lora.api.DatasetRole;
import training.lora.api.DatasetSpec;

/**
 * What captions are about.
 *
 * @param name of the concept: its trigger, or that of its data set where it has none
 * @param trigger the words that call it; null for a style without
 * @param className words for what it is, without an article; null where nobody said so
 */
public record Subject(
        String name,
        ConceptMode mode,
        @Nullable String trigger,
        @Nullable String className) {
    /** What a data set is about that names no concept: some thing. */
    public static Subject of(DatasetSpec dataset) {
        ConceptSpec concept = dataset.concept();
        if (concept == null) {
            return new Subject(dataset.name(), ConceptMode.Object, null, null);
        }
        String trigger = concept.trigger();
        String className = concept.className();
        return new Subject(
                trigger == null ? dataset.name() : trigger,
                concept.mode(),
                trigger,
                className == null ? null : Nouns.withoutArticle(className));
    }

    /** What data sets of one concept are about. */
    public static Subject of(List<DatasetSpec> datasets) {
        List<Subject> all = datasets.stream().map(Subject::of).toList();
        return all.stream()
                .filter(subject -> subject.className() != null)
                .findFirst()
                .orElse(all.get(0));
    }

    /** Whether captions of {@code dataset} may be rewritten. */
    public static boolean isOf(DatasetSpec dataset) {
        return dataset.role() != DatasetRole.Regularization && dataset.concept() != null;
    }
}
