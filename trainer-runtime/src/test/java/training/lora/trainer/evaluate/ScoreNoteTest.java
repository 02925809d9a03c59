package training.lora.trainer.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static training.lora.trainer.evaluate.ScoreTest.row;
import static training.lora.trainer.evaluate.ScoreTest.vectors;

import java.util.List;
import org.junit.jupiter.api.Test;
import training.lora.api.Metric;
import training.lora.api.ScoreWeightsSpec;
import training.lora.api.SelectionMetric;
import training.lora.trainer.evaluate.EvaluationReport.ConceptReport;

/** What is said where the score can't tell what was learned. */
class ScoreNoteTest {
    /** A concept whose base model drew {@code base}. */
    private static ConceptReport concept(String name, Embeddings training, Embeddings base) {
        double learned = Likeness.of(training, base).learned(base);
        return EvaluationReportConceptReportBuilder.builder()
                .name(name)
                .prompts(new int[] {0})
                .trainingImages(training.size())
                .heldOutImages(0)
                .base(List.of(Metric.of("score", learned), Metric.of("learned", learned)))
                .checkpoints(List.of())
                .copies(new EvaluationReport.Copies(1, 0, List.of()))
                .build();
    }

    /** One thing on grounds of three colours, which to CLIP are three directions: a picture in between is nearer to all. */
    private static final ConceptReport VARIED = concept(
            "cone", vectors(row(1, 0.5, 0, 0), row(1, 0, 0.5, 0), row(1, 0, 0, 0.5)), vectors(row(1, 0.1, 0.1, 0.1)));

    private static final ConceptReport ALIKE = concept("cat", vectors(row(1, 0.1), row(1, 0)), vectors(row(0, 1)));

    private static final ConceptReport SINGLE = concept("dog", vectors(row(1, 0)), vectors(row(1, 1)));

    @Test
    void conceptWhoseBaseModelIsAsNearToItsPicturesAsTheyAreToEachOtherIsNamed() {
        assertThat(ScoreNote.of(SelectionMetric.Score, null, List.of(ALIKE, VARIED, SINGLE)))
                .startsWith("the score hardly tells what was learned of cone:")
                .contains("(learned 1 before training)");
    }

    @Test
    void nothingIsSaidWhereTheBaseModelIsFurtherAwayOrOnePictureHasNoOthers() {
        assertThat(ScoreNote.of(SelectionMetric.Score, null, List.of(ALIKE, SINGLE)))
                .isNull();
    }

    @Test
    void nothingIsSaidWhereAnotherMetricChose() {
        assertThat(ScoreNote.of(SelectionMetric.StyleAlignment, null, List.of(VARIED)))
                .isNull();
    }

    @Test
    void nothingIsSaidWhereWhatWasLearnedWeighsNothing() {
        ScoreWeightsSpec weights = new ScoreWeightsSpec(0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0);

        assertThat(ScoreNote.of(SelectionMetric.Score, weights, List.of(VARIED)))
                .isNull();
    }

    /** A base model that is just short of the training pictures: the least range of 0.05 leaves most of it. */
    @Test
    void nothingIsSaidWhereMostOfTheRangeIsLeft() {
        ConceptReport near = concept("bird", vectors(row(1, 0.1, 0), row(1, 0, 0)), vectors(row(1, 0.05, 0.31)));
        Metric learned = near.base().get(1);

        assertThat(learned.number()).isStrictlyBetween(0.0, 0.5);
        assertThat(ScoreNote.of(SelectionMetric.Score, null, List.of(near))).isNull();
    }
}
