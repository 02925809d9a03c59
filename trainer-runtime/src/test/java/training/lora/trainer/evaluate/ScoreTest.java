package training.lora.trainer.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import training.lora.api.Json;
import training.lora.api.ScoreWeightsSpec;
import training.lora.api.SelectionMetric;
import training.lora.trainer.dataset.Concepts.Concept;

/** The score in worlds of a few dimensions, whose cosines can be seen. */
class ScoreTest {
    private static final Offset<Double> ROUNDING = within(1e-12);

    static Embeddings vectors(double[]... rows) {
        return new Embeddings(rows);
    }

    static double[] row(double... values) {
        double norm = Math.sqrt(Embeddings.dot(values, values));
        return Arrays.stream(values).map(v -> v / norm).toArray();
    }

    @Test
    void scoreIsTheHarmonicMeanAndNoneWhereOnePartIsNone() {
        assertThat(new Score(0.5, 1).value()).isEqualTo(2.0 / 3, ROUNDING);
        assertThat(new Score(0.25, 0.75).value()).isEqualTo(0.375, ROUNDING);
        assertThat(new Score(1, 1).value()).isEqualTo(1);
        assertThat(new Score(0, 1).value()).isZero();
        assertThat(new Score(1, 0).value()).isZero();
        assertThat(new Score(0, 0).value()).isZero();
    }

    @Test
    void learnedIsBetweenTheBaseModelsPicturesAndTheTrainingPicturesAmongEachOther() {
        // Each has the cosine 0.6 with the other, and 2 / sqrt(5) with the mean of both.
        Embeddings training = vectors(row(1, 0, 0), row(0.6, 0.8, 0));
        Likeness likeness = Likeness.of(training, vectors(row(0, 0, 1)));

        assertThat(likeness.learned(vectors(row(0, 0, 1)))).isZero();
        assertThat(likeness.learned(vectors(row(-1, 0, 0)))).isZero();
        assertThat(likeness.learned(vectors(row(0, 0.6, 0.8)))).isEqualTo(0.6 / Math.sqrt(5) / 0.6, ROUNDING);
        assertThat(likeness.learned(training))
                .as("copies are nearer than others of the kind")
                .isEqualTo(1);
        // From a base model that is halfway.
        assertThat(Likeness.of(training, vectors(row(0, 0.6, 0.8))).learned(vectors(row(1, 0, 0), row(0, 0, 1))))
                .isEqualTo((1 / Math.sqrt(5) - 0.6 / Math.sqrt(5)) / (0.6 - 0.6 / Math.sqrt(5)), ROUNDING);
    }

    @Test
    void singleTrainingPictureTakesRawSimilarity() {
        Likeness likeness = Likeness.of(vectors(row(1, 0)), vectors(row(0.8, 0.6)));

        assertThat(likeness.learned(vectors(row(0.8, 0.6)))).isEqualTo(0.8, ROUNDING);
        assertThat(likeness.learned(vectors(row(0.6, 0.8)))).isEqualTo(0.6, ROUNDING);
        assertThat(likeness.learned(vectors(row(-1, 0)))).isZero();
    }

    @Test
    void baseModelThatDrawsTheConceptAlreadyHasLearnedIt() {
        Embeddings training = vectors(row(1, 0, 0), row(0.6, 0.8, 0));
        Likeness likeness = Likeness.of(training, training);

        assertThat(likeness.learned(training)).isEqualTo(1);
        assertThat(likeness.learned(vectors(row(0, 0, 1)))).isZero();
        // Half the least range below the training pictures among each other.
        assertThat(Share.of(0.6 - Share.LEAST_RANGE / 2, 0.9, 0.6)).isEqualTo(0.5, ROUNDING);
        assertThat(Share.of(0.5, 0, 1)).isEqualTo(0.5, ROUNDING);
    }

    @Test
    void keptIsHowWellPromptsAreToldApartBesideTheBaseModel() {
        PromptTexts texts = new PromptTexts(List.of("a", "b"), vectors(row(1, 0, 0), row(0, 1, 0)));
        PromptFollowing following = texts.following(texts.all());
        Embeddings base = vectors(row(1, 0, 0), row(0, 1, 0));

        assertThat(following.kept(base, base, 1)).isEqualTo(1);
        // 0.8 - 0.6 and 1 - 0, beside 1 and 1.
        assertThat(following.kept(vectors(row(0.8, 0.6, 0), row(0, 1, 0)), base, 1))
                .isEqualTo(0.6, ROUNDING);
        assertThat(following.kept(vectors(row(1, 1, 0), row(1, 1, 0)), base, 1)).isEqualTo(0, ROUNDING);
        assertThat(following.kept(vectors(row(0, 0, 1), row(0, 0, 1)), base, 1)).isZero();
        assertThat(following.kept(vectors(row(0, 1, 0), row(1, 0, 0)), base, 1)).isZero();
        assertThat(following.kept(base, vectors(row(0.8, 0.6, 0), row(0, 1, 0)), 1))
                .as("more than the base model")
                .isEqualTo(1);
    }

    @Test
    void noMoreIsAskedThanThatTheTrainingPicturesFollowTheirCaptions() {
        PromptTexts texts = new PromptTexts(List.of("a", "b"), vectors(row(1, 0, 0), row(0, 1, 0)));
        PromptFollowing following = texts.following(texts.all());
        Embeddings base = vectors(row(1, 0, 0), row(0, 1, 0));
        Embeddings pictures = vectors(row(0.8, 0.6, 0), row(0.6, 0.8, 0));

        assertThat(following.kept(pictures, base, 1)).isEqualTo(0.2, ROUNDING);
        assertThat(following.kept(pictures, base, 0.4)).isEqualTo(0.5, ROUNDING);
        assertThat(following.kept(pictures, base, 0.1)).isEqualTo(1);
        assertThat(following.kept(pictures, base, -0.3))
                .as("which CLIP can't read")
                .isEqualTo(1);
    }

    @Test
    void baseModelThatFollowsNoPromptHasNothingToLose() {
        PromptTexts texts = new PromptTexts(List.of("a", "b"), vectors(row(1, 0, 0), row(0, 1, 0)));
        Embeddings lost = vectors(row(0, 0, 1), row(0, 0, 1));

        assertThat(texts.following(texts.all()).kept(lost, lost, 1)).isEqualTo(1);
        assertThat(texts.following(texts.all()).kept(lost, vectors(row(0, 1, 0), row(1, 0, 0)), 1))
                .isEqualTo(1);
        // 0.02 of a cosine, beside the least range.
        PromptFollowing one = new PromptTexts(List.of("a"), vectors(row(1, 0))).following(new int[] {0});
        double faint = Math.sqrt(1 - 0.02 * 0.02);
        assertThat(one.kept(vectors(row(0, 1)), vectors(row(0.02, faint)), 1))
                .isEqualTo(1 - 0.02 / Share.LEAST_RANGE, ROUNDING);
    }

    /** A world like a real CLIP's: all pictures have a cosine with all texts, and the robots' texts are near each other. */
    @Test
    void textsNearEachOtherAreMeasuredLikeTextsFarApart() {
        PromptTexts prompts =
                new PromptTexts(List.of("red", "blue"), vectors(row(1, 0.1, 0, 0, 0), row(1, 0, 0.1, 0, 0)));
        PromptTexts captions =
                new PromptTexts(List.of("round", "square"), vectors(row(1, 0, 0, 1, 0), row(1, 0, 0, 0, 1)));
        PromptFollowing following = prompts.following(prompts.all());
        Embeddings base = vectors(row(1, 0.1, 0, 0, 0), row(1, 0, 0.1, 0, 0));

        assertThat(following.most(captions.vectors(), captions)).isEqualTo(1, ROUNDING);
        assertThat(following.of(base)).isEqualTo(1, ROUNDING);
        for (double[] same : captions.vectors().rows()) {
            assertThat(following.kept(vectors(same, same), base, following.most(captions.vectors(), captions)))
                    .as("a training picture whatever is asked")
                    .isEqualTo(0, ROUNDING);
        }
    }

    @Test
    void picturesOfOneTextAreComparedWithTheOtherPromptsTextsOnEachSide() {
        PromptTexts prompts = new PromptTexts(
                List.of("a cat", "a cat", "a pear"), vectors(row(0, 1, 0, 0), row(0, 1, 0, 0), row(0, 0, 1, 0)));
        PromptTexts captions =
                new PromptTexts(List.of("sits", "runs"), vectors(row(0, 0.8, 0, 0.6), row(0, 0.6, 0, 0.8)));
        PromptFollowing cats = prompts.following(new int[] {0, 1});
        PromptFollowing pear = prompts.following(new int[] {2});
        Embeddings base = vectors(row(0, 1, 0, 0), row(0, 1, 0, 0), row(0, 0, 1, 0));
        Embeddings pictures = vectors(row(0, 0.6, 0.8, 0), row(0, 0.8, 0.6, 0), row(0, 0.6, 0.8, 0));

        assertThat(cats.most(captions.vectors(), captions)).isEqualTo(1, ROUNDING);
        assertThat(cats.most(vectors(row(0, 1, 0, 0), row(0, 0, 1, 0)), captions))
                .isEqualTo(-0.1, ROUNDING);
        assertThat(cats.of(base)).isEqualTo(1, ROUNDING);
        assertThat(cats.of(pictures)).isEqualTo(0, ROUNDING);
        assertThat(pear.kept(pictures, base, 1)).isEqualTo(0.2, ROUNDING);
        assertThat(pear.kept(vectors(row(1, 0, 0, 0), row(1, 0, 0, 0), row(0, 1, 0, 0)), base, 1))
                .isZero();
    }

    /** One prompt for all: kept was 1 here whatever was drawn. */
    @Test
    void soleTextIsMeasuredByRawCosinesOnEachSide() {
        PromptTexts prompt = new PromptTexts(List.of("a cat"), vectors(row(1, 0, 0)));
        PromptTexts captions = new PromptTexts(List.of("sits", "runs"), vectors(row(0.8, 0.6, 0), row(0.8, -0.6, 0)));
        PromptFollowing following = prompt.following(prompt.all());
        Embeddings training = vectors(row(1, 0, 0), row(1, 0, 0));

        assertThat(following.most(training, captions)).isEqualTo(0.8, ROUNDING);
        assertThat(following.kept(vectors(row(0.4, 0, Math.sqrt(0.84))), vectors(row(1, 0, 0)), 0.8))
                .isEqualTo(0.5, ROUNDING);
        assertThat(following.kept(vectors(row(0, 0, 1)), vectors(row(1, 0, 0)), 0.8))
                .isZero();
    }

    @Test
    void captionsThatAreAllAlikeLimitNothing() {
        PromptTexts prompts = new PromptTexts(List.of("a", "b"), vectors(row(1, 0, 0), row(0, 1, 0)));
        PromptTexts captions = new PromptTexts(List.of("c", "c"), vectors(row(0, 0, 1), row(0, 1e-4, 1)));

        assertThat(prompts.following(prompts.all()).most(vectors(row(1, 0, 0), row(0, 1, 0)), captions))
                .isEqualTo(Double.POSITIVE_INFINITY);
    }

    @Test
    void promptsWithoutWordsAskForNothing() {
        PromptTexts texts = new PromptTexts(List.of("", "a"), vectors(row(0, 1), row(1, 0)));
        Embeddings base = vectors(row(1, 0), row(1, 0));

        assertThat(texts.following(new int[] {0}).kept(vectors(row(0, 1), row(0, 1)), base, 1))
                .isEqualTo(1);
        assertThat(texts.following(texts.all()).kept(vectors(row(0, 1), row(0.5, Math.sqrt(0.75))), base, 1))
                .isEqualTo(0.5, ROUNDING);
        assertThat(texts.following(new int[] {}).kept(base, base, 1)).isEqualTo(1);
    }

    /**
     * Dimensions: the concept, two poses of it, two other things, all else. Prompts: the concept in both poses, both other
     * things.
     */
    private static final PromptTexts TEXTS = new PromptTexts(
            List.of("a cat that sits", "a cat that runs", "a pear", "a crab"),
            vectors(row(0, 1, 0, 0, 0, 0), row(0, 0, 1, 0, 0, 0), row(0, 0, 0, 1, 0, 0), row(0, 0, 0, 0, 1, 0)));

    private static final double[] SITTING = row(0.8, 0.6, 0, 0, 0, 0);
    private static final double[] RUNNING = row(0.8, 0, 0.6, 0, 0, 0);
    private static final double[] PEAR = row(0, 0, 0, 1, 0, 0);
    private static final double[] CRAB = row(0, 0, 0, 0, 1, 0);
    private static final double[] NOISE = row(0, 0, 0, 0, 0, 1);
    private static final Embeddings BASE = vectors(sitting(0), running(0), PEAR, CRAB);

    /** A sitting picture with as much of the concept, from 0 to 0.8. */
    private static double[] sitting(double concept) {
        return row(concept, 0.6, 0, 0, 0, Math.sqrt(0.64 - concept * concept));
    }

    private static double[] running(double concept) {
        return row(concept, 0, 0.6, 0, 0, Math.sqrt(0.64 - concept * concept));
    }

    private static ConceptMetrics measure(double[]... pictures) {
        ConceptShare share = new ConceptShare(
                new Concept("cat", "mewlin", List.of("cat")),
                new int[] {0, 1},
                new int[] {2, 3},
                vectors(SITTING, RUNNING),
                new PromptTexts(List.of("sitting", "running"), vectors(row(0, 1, 0, 0, 0, 0), row(0, 0, 1, 0, 0, 0))));
        return share.measure(vectors(pictures), BASE, TEXTS);
    }

    @Test
    void collapsedUnlearnedAndCopyingCheckpointsLoseToOneThatLearnedHalf() {
        Map<String, ConceptMetrics> checkpoints = new LinkedHashMap<>();
        checkpoints.put("collapsed", measure(NOISE, NOISE, NOISE, NOISE));
        checkpoints.put("unlearned", measure(BASE.rows()));
        checkpoints.put("copies", measure(SITTING, RUNNING, SITTING, RUNNING));
        checkpoints.put("copies the wrong ones", measure(RUNNING, SITTING, PEAR, CRAB));
        checkpoints.put("half", measure(sitting(0.3), running(0.3), PEAR, CRAB));
        checkpoints.put("learned", measure(SITTING, RUNNING, PEAR, CRAB));
        checkpoints.put("learned and forgot", measure(SITTING, RUNNING, row(0, 0, 0, 1, 1, 0), NOISE));

        List<String> ranked = checkpoints.keySet().stream()
                .sorted(Comparator.comparing(checkpoints::get, ConceptMetrics.by(SelectionMetric.Score)))
                .toList();

        assertThat(ranked.subList(ranked.size() - 2, ranked.size())).containsExactly("half", "learned");
        assertThat(Objects.requireNonNull(checkpoints.get("learned")).score()).isEqualTo(1, ROUNDING);
        for (String lost : List.of("collapsed", "unlearned", "copies", "copies the wrong ones")) {
            assertThat(Objects.requireNonNull(checkpoints.get(lost)).score())
                    .as(lost)
                    .isEqualTo(0, within(1e-9));
        }
        assertThat(Objects.requireNonNull(checkpoints.get("unlearned")).parts()).isEqualTo(new Score(0, 1));
        assertThat(Objects.requireNonNull(checkpoints.get("copies")).parts().learned())
                .isEqualTo(1, ROUNDING);
        assertThat(Objects.requireNonNull(checkpoints.get("copies")).parts().kept())
                .isZero();
    }

    @Test
    void equalsAreToldApartByTheTrainingPictures() {
        ConceptMetrics far = measure(NOISE, NOISE, PEAR, CRAB);
        ConceptMetrics near = measure(BASE.row(0), NOISE, PEAR, CRAB);

        assertThat(far.score()).isEqualTo(near.score()).isZero();
        assertThat(ConceptMetrics.by(SelectionMetric.Score).compare(near, far)).isPositive();
    }

    @Test
    void metricsOfSeveralConceptsAreMeansOfTheirs() {
        ConceptMetrics mean = ConceptMetrics.mean(List.of(
                ConceptMetrics.of(new Score(1, 0.5), new ClipMetrics(0.1, 0.2, 0.3, 0.4)),
                ConceptMetrics.of(new Score(0, 1), new ClipMetrics(0.3, 0.4, 0.5, 0.6))));

        // Not of the means: a concept that was not learned is not made up for by another.
        assertThat(mean.score()).isEqualTo(1.0 / 3, ROUNDING);
        assertThat(mean.parts()).isEqualTo(new Score(0.5, 0.75));
        assertThat(mean.clip().textAlignment()).isEqualTo(0.2, ROUNDING);
        assertThat(mean.clip().diversity()).isEqualTo(0.5, ROUNDING);
    }

    @Test
    void betterPicturesNeverScoreLess() {
        double before = 0;
        for (double concept = 0; concept <= 0.8; concept += 0.1) {
            double score =
                    measure(sitting(concept), running(concept), PEAR, CRAB).score();

            assertThat(score).isBetween(before - 1e-12, 1.0);
            before = score;
        }
        assertThat(before).isEqualTo(1, ROUNDING);
    }

    @Test
    void facesCountFromTheBaseModelsToThoseOfTheTrainingPicturesAmongEachOther() throws IOException {
        ScoreWeightsSpec weights =
                Json.STRICT_YAML.readValue("{learned: 0, kept: 0, faces: 2}", ScoreWeightsSpec.class);
        Embeddings vectors = vectors(row(1, 0));
        PromptTexts texts = new PromptTexts(List.of("a"), vectors);
        ConceptShare share = new ConceptShare(
                new Concept("main", "TOK", List.of("main")), new int[] {0}, new int[0], vectors, texts);
        TrainingValues training = TrainingValues.of(vectors, new Embeddings(new double[0][]), Double.NaN, 0.7);
        ConceptMeter meter = new ConceptMeter(share, texts, new ScoreWeights(weights), training);

        assertThat(score(meter, vectors, 0.5, 0.1)).isEqualTo((0.5 - 0.1) / (0.7 - 0.1), ROUNDING);
        assertThat(score(meter, vectors, 0.9, 0.1)).isEqualTo(1);
        assertThat(score(meter, vectors, 0.1, 0.1)).isZero();
        assertThat(score(meter, vectors, 0.35, -0.2))
                .as("less than nothing in common is nothing")
                .isEqualTo(0.5, ROUNDING);
        assertThat(score(meter, vectors, Double.NaN, Double.NaN))
                .as("what isn't measured counts nothing")
                .isZero();
    }

    private static double score(ConceptMeter meter, Embeddings vectors, double faces, double base) {
        return meter.measure(
                        new PictureValues(vectors, Map.of(FaceSimilarity.NAME, new double[] {faces})),
                        new PictureValues(vectors, Map.of(FaceSimilarity.NAME, new double[] {base})))
                .score();
    }
}
