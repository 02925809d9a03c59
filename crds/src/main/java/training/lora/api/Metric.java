package training.lora.api;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import java.util.List;
import java.util.stream.Collectors;

/** A named number, printed with the digits that mean something. */
public record Metric(
        @JsonPropertyDescription(
                "loss, validationLoss, score, learned, kept, textAlignment, trainingImageAlignment, styleAlignment, diversity, aesthetic, faceSimilarity, memorised, heldOutAlignment, overfit, learningRate, foundRate, tokensLearningRate, tokensFoundRate, gradientNorm, addedLosses.FIELD of losses beside the prediction's, by their fields below spec.training, imagesPerSecond; of a download fetchedBytes and totalBytes.")
        String name,

        @JsonPropertyDescription("The number in decimal notation.")
        String value) {

    /** {@code value} with four significant digits. */
    public static Metric of(String name, double value) {
        return new Metric(
                name,
                Double.isFinite(value)
                        ? new java.math.BigDecimal(value)
                                .round(new java.math.MathContext(4))
                                .toPlainString()
                        : Double.toString(value));
    }

    /** Names and values in a line. */
    public static String line(List<Metric> metrics, String separator) {
        return metrics.stream().map(m -> m.name() + " " + m.value()).collect(Collectors.joining(separator));
    }

    /** The number. */
    public double number() {
        return Double.parseDouble(value);
    }
}
