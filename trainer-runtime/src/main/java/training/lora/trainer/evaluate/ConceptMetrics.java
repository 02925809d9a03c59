package training.lora.trainer.evaluate;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import training.lora.api.Metric;
import training.lora.api.SelectionMetric;

/**
 * What is measured of the base model or a checkpoint, for a concept or as the mean over concepts.
 *
 * @param score the score; of several concepts, the mean of theirs
 * @param more means of other numbers of the pictures, by their names
 */
record ConceptMetrics(double score, Score parts, ClipMetrics clip, Map<String, Double> more) {
    /** The definitions, for the report. */
    static final Map<String, String> DEFINITIONS = definitions();

    private static Map<String, String> definitions() {
        Map<String, String> texts = new LinkedHashMap<>();
        texts.put(
                "score",
                "weighted harmonic mean of shares from 0 to 1: of learned and kept alike, unless spec.evaluation.weights says"
                        + " otherwise");
        texts.put(
                "learned",
                "mean over pictures of cos(picture, mean of the training pictures), as a share: 0 is the base model's, 1 that"
                        + " of each training picture with the mean of the others; with one training picture, the cosine itself");
        texts.put(
                "kept",
                "how closely pictures follow their prompts, as a share: the slope of the regression of the pictures' vectors on"
                        + " their texts', both less their means; 0 is 0, 1 is the base model's, or, for the concept's own"
                        + " prompts, that of the training pictures with their captions where it is less; of the concept's"
                        + " prompts and, where there are some, of the prompts that name no concept, the lesser. Where the"
                        + " prompts have one text, each side is instead the mean over pictures of cos(picture, its text) less"
                        + " the mean of cos(picture, another prompt's text); where the captions alone have one text, 1 is"
                        + " the base model's");
        texts.put(
                "shares",
                "are from 0 to 1, and where 0 and 1 lie nearer than %s, 0 is that far from 1"
                        .formatted(Share.LEAST_RANGE));
        texts.put(
                "texts",
                "prompts with each concept's className in place of its trigger, or without trigger and \"in the style of\"");
        texts.put("textAlignment", "mean over pictures of cos(picture, its text)");
        texts.put("trainingImageAlignment", "mean of cos over all pairs of a generated and a training picture");
        texts.put("styleAlignment", "cos(mean of the generated pictures, mean of the training pictures)");
        texts.put("diversity", "mean of 1 - cos over all pairs of distinct generated pictures");
        texts.put(
                Memorisation.NAME,
                "share of the pictures that copy a training picture: by pixels (32 x 32, each way round) they are no further from"
                        + " one than %s, nor than %s of the median distance of training pictures from the nearest other"
                                .formatted(Memorisation.DISTANCE, Memorisation.SHARE));
        texts.put(HeldOut.ALIGNMENT, "mean of cos over all pairs of a generated and a held-out picture");
        texts.put(
                HeldOut.OVERFIT,
                "trainingImageAlignment less heldOutAlignment; what the base model has of it is no overfitting");
        texts.put(
                "intervals",
                "the middle 95 %% of %d means over pictures that are drawn, with replacement, from those that there are"
                        .formatted(Bootstrap.REPLICATES));
        texts.put(
                "concepts",
                "each is measured by the pictures of the prompts that name it and by its own training pictures; the metrics"
                        + " of a checkpoint are the means of its concepts'");
        return texts;
    }

    static ConceptMetrics of(Score parts, ClipMetrics clip) {
        return new ConceptMetrics(parts.value(), parts, clip, Map.of());
    }

    /** The mean of each metric. */
    static ConceptMetrics mean(List<ConceptMetrics> of) {
        return new ConceptMetrics(
                ClipMetrics.mean(of, ConceptMetrics::score),
                new Score(ClipMetrics.mean(of, m -> m.parts.learned()), ClipMetrics.mean(of, m -> m.parts.kept())),
                ClipMetrics.mean(of.stream().map(ConceptMetrics::clip).toList()),
                moreMeans(of));
    }

    /** Of those concepts for which it was measured. */
    private static Map<String, Double> moreMeans(List<ConceptMetrics> of) {
        Map<String, Double> means = new LinkedHashMap<>();
        of.stream()
                .flatMap(m -> m.more.keySet().stream())
                .distinct()
                .forEach(name -> means.put(
                        name,
                        of.stream()
                                .map(m -> m.more.get(name))
                                .filter(Objects::nonNull)
                                .mapToDouble(Double::doubleValue)
                                .average()
                                .orElseThrow()));
        return means;
    }

    /**
     * The better one last. Of those that are equal by {@code metric}, as where none has learned anything that CLIP sees,
     * the one that is nearer to the training pictures.
     */
    static Comparator<ConceptMetrics> by(SelectionMetric metric) {
        return Comparator.comparingDouble((ConceptMetrics m) -> m.value(metric))
                .thenComparingDouble(m -> m.clip.trainingImageAlignment());
    }

    private double value(SelectionMetric metric) {
        return switch (metric) {
            case Score -> score;
            case TextAlignment -> clip.textAlignment();
            case TrainingImageAlignment -> clip.trainingImageAlignment();
            case StyleAlignment -> clip.styleAlignment();
            case Diversity -> clip.diversity();
        };
    }

    /** All of it by name, in the order in which it is reported. */
    Map<String, Double> values() {
        Map<String, Double> values = new LinkedHashMap<>();
        values.put("score", score);
        values.put("learned", parts.learned());
        values.put("kept", parts.kept());
        values.put("textAlignment", clip.textAlignment());
        values.put("trainingImageAlignment", clip.trainingImageAlignment());
        values.put("styleAlignment", clip.styleAlignment());
        values.put("diversity", clip.diversity());
        values.putAll(more);
        return values;
    }

    List<Metric> toMetrics() {
        List<Metric> metrics = new ArrayList<>();
        values().forEach((name, value) -> metrics.add(Metric.of(name, value)));
        return List.copyOf(metrics);
    }
}
