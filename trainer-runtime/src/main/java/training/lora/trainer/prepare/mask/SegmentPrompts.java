package training.lora.trainer.prepare.mask;

import java.util.List;
import java.util.Map;
import training.lora.api.ConceptMode;
import training.lora.api.ConceptSpec;
import training.lora.api.DatasetRole;
import training.lora.api.DatasetSpec;
import training.lora.api.MaskSource;
import training.lora.api.MaskSpec;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/**
 * What masks of source Segment are to find, in words.
 *
 * @param found by data sets' names, where neither the user nor the concept says it
 */
public record SegmentPrompts(MaskSpec spec, Map<String, List<String>> found) {
    /**
     * The user's, else what the concept's mode says, else what was found. Empty: a picture counts as a whole, as in Eden's
     * trainer for styles.
     */
    public List<String> of(DatasetSpec dataset) {
        List<String> said = said(spec, dataset);
        return said.isEmpty() ? found.getOrDefault(dataset.name(), List.of()) : said;
    }

    private static List<String> said(MaskSpec spec, DatasetSpec dataset) {
        ConceptSpec concept = dataset.concept();
        if (!spec.prompts().isEmpty()) {
            return spec.prompts();
        }
        if (concept == null) {
            return List.of();
        }
        return switch (concept.mode()) {
            case Style -> List.of();
            case Face -> List.of("face");
            case Object -> concept.className() == null ? List.of() : List.of(concept.className());
        };
    }

    /** Who says what to find in a data set. */
    public enum From {
        User,
        Mode,
        ClassName,
        LanguageModel,
        /** Nobody: its pictures count as a whole. */
        None
    }

    /** Who says {@link #of}. */
    public From from(DatasetSpec dataset) {
        ConceptSpec concept = dataset.concept();
        if (!spec.prompts().isEmpty()) {
            return From.User;
        }
        if (of(dataset).isEmpty()) {
            return From.None;
        }
        if (concept == null || said(spec, dataset).isEmpty()) {
            return From.LanguageModel;
        }
        return concept.mode() == ConceptMode.Object ? From.ClassName : From.Mode;
    }

    /** Whether something is to be found in the pictures of {@code dataset}, and the spec doesn't say what. */
    public static boolean missing(MaskSpec spec, DatasetSpec dataset) {
        ConceptSpec concept = dataset.concept();
        return spec.source() == MaskSource.Segment
                && dataset.role() != DatasetRole.Regularization
                && (concept == null || concept.mode() != ConceptMode.Style)
                && said(spec, dataset).isEmpty();
    }

    /**
     * Sees to it that it is known what to look for.
     *
     * @throws TrainerException InvalidConfiguration if there is a data set of which nothing says so
     */
    void check(List<DatasetSpec> datasets) {
        for (int i = 0; i < datasets.size(); i++) {
            DatasetSpec dataset = datasets.get(i);
            if (missing(spec, dataset) && of(dataset).isEmpty()) {
                throw new TrainerException(
                        Reason.InvalidConfiguration,
                        "`spec.preparation.mask.prompts` must say what to look for in data set \"%s\", because `spec.datasets[%d].concept` doesn't: it needs a className, or a mode that has a prompt of its own; `spec.preparation.captions.language` can find one for captions"
                                .formatted(dataset.name(), i));
            }
        }
    }
}
