package training.lora.trainer.evaluate;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.List;
import training.lora.api.Metric;
import training.lora.api.SelectionMetric;

/**
 * What CLIP says of a set of generated pictures; higher is better. The mean over all pairs (Eden's definition) compares
 * each picture with pictures of other things, so that content hides style; between the two sets' means it cancels out.
 *
 * @param textAlignment mean over pictures of cos(picture, its prompt)
 * @param trainingImageAlignment mean of cos over all pairs of a generated and a training picture
 * @param styleAlignment cos(mean of the generated pictures, mean of the training pictures)
 * @param diversity mean of 1 - cos over all pairs of distinct generated pictures; 0 for one picture
 */
record ClipMetrics(double textAlignment, double trainingImageAlignment, double styleAlignment, double diversity) {
    /** The definitions, for the report. */
    static final java.util.Map<String, String> DEFINITIONS = definitions();

    private static java.util.Map<String, String> definitions() {
        java.util.Map<String, String> texts = new java.util.LinkedHashMap<>();
        texts.put("textAlignment", "mean over pictures of cos(picture, its prompt)");
        texts.put("trainingImageAlignment", "mean of cos over all pairs of a generated and a training picture");
        texts.put("styleAlignment", "cos(mean of the generated pictures, mean of the training pictures)");
        texts.put("diversity", "mean of 1 - cos over all pairs of distinct generated pictures");
        texts.put("score", "mean of textAlignment and styleAlignment");
        texts.put(
                "concepts",
                "where there are several, each is measured by the pictures of the prompts that name it and by its own"
                        + " training pictures; the metrics of a checkpoint are the means of its concepts'");
        return texts;
    }

    /**
     * Measures.
     *
     * @param pictures unit vectors of the generated pictures (N, D)
     * @param prompts unit vectors of their prompts (N, D)
     * @param training unit vectors of the training pictures (M, D)
     */
    static ClipMetrics of(NDArray pictures, NDArray prompts, NDArray training) {
        try (NDManager scope = pictures.getManager().newSubManager()) {
            NDArray p = pictures.duplicate();
            p.attach(scope);
            long n = p.getShape().get(0);
            double text = p.mul(prompts).sum(new int[] {1}).mean().getFloat();
            double image = p.matMul(training.transpose()).mean().getFloat(); // (N, M)
            NDArray generatedMean = p.mean(new int[] {0});
            NDArray trainingMean = training.mean(new int[] {0});
            trainingMean.attach(scope);
            double style = generatedMean.mul(trainingMean).sum().getFloat()
                    / (generatedMean.norm().getFloat() * trainingMean.norm().getFloat());
            NDArray pairs = p.matMul(p.transpose()); // (N, N)
            // The diagonal is each picture with itself.
            double distinct = pairs.sum().getFloat() - p.mul(p).sum().getFloat();
            double diversity = n < 2 ? 0 : 1 - distinct / (n * (n - 1.0));
            return new ClipMetrics(text, image, style, diversity);
        }
    }

    /** The mean of each metric. */
    static ClipMetrics mean(List<ClipMetrics> of) {
        return new ClipMetrics(
                of.stream().mapToDouble(ClipMetrics::textAlignment).average().orElseThrow(),
                of.stream()
                        .mapToDouble(ClipMetrics::trainingImageAlignment)
                        .average()
                        .orElseThrow(),
                of.stream().mapToDouble(ClipMetrics::styleAlignment).average().orElseThrow(),
                of.stream().mapToDouble(ClipMetrics::diversity).average().orElseThrow());
    }

    /** Mean of the alignments with the text and with the style. */
    double score() {
        return (textAlignment + styleAlignment) / 2;
    }

    double value(SelectionMetric metric) {
        return switch (metric) {
            case Score -> score();
            case TextAlignment -> textAlignment;
            case TrainingImageAlignment -> trainingImageAlignment;
            case StyleAlignment -> styleAlignment;
            case Diversity -> diversity;
        };
    }

    List<Metric> toMetrics() {
        return List.of(
                Metric.of("score", score()),
                Metric.of("textAlignment", textAlignment),
                Metric.of("trainingImageAlignment", trainingImageAlignment),
                Metric.of("styleAlignment", styleAlignment),
                Metric.of("diversity", diversity));
    }
}
