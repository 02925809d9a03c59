package training.lora.trainer.evaluate;

import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import training.lora.api.Metric;
import training.lora.api.ScoreWeightsSpec;
import training.lora.api.SelectionMetric;
import training.lora.trainer.evaluate.EvaluationReport.ConceptReport;

/** Where the score can't tell what was learned. */
final class ScoreNote {
    /** From here on most of the range is gone before anything is learned. */
    private static final double HARDLY = 0.5;

    private ScoreNote() {}

    /**
     * The concepts whose training pictures differ so much, to CLIP, that the base model's pictures are about as near to them
     * as they are to each other: {@code learned} is 0.5 or more before training.
     *
     * @param weights what weighs in the score; null where learned and kept alone do
     * @return a sentence without its full stop; null where learned didn't choose, or there are none
     */
    static @Nullable String of(
            SelectionMetric select, @Nullable ScoreWeightsSpec weights, List<ConceptReport> concepts) {
        if (select != SelectionMetric.Score || weights != null && weights.learned() == 0) {
            return null;
        }
        // A single picture has no others: learned is the cosine itself, of which the base model has some.
        List<ConceptReport> blind = concepts.stream()
                .filter(c -> c.trainingImages() > 1 && learned(c).number() >= HARDLY)
                .toList();
        if (blind.isEmpty()) {
            return null;
        }
        return "the score hardly tells what was learned of %s: to CLIP the base model's pictures are about as near to the training pictures as these are to one another (learned %s before training); of equal scores the nearer to the training pictures was chosen, so look at the pictures, or set `spec.evaluation.select`"
                .formatted(
                        blind.stream().map(ConceptReport::name).collect(Collectors.joining(" and ")),
                        blind.stream().map(c -> learned(c).value()).collect(Collectors.joining(" and ")));
    }

    private static Metric learned(ConceptReport concept) {
        return concept.base().stream()
                .filter(m -> m.name().equals("learned"))
                .findFirst()
                .orElseThrow();
    }
}
