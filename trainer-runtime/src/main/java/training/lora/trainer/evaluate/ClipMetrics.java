package training.lora.trainer.evaluate;

import io.soabase.recordbuilder.core.RecordBuilder;
import java.util.List;
import java.util.function.ToDoubleFunction;

/**
 * What CLIP says of a set of generated pictures; higher is better. The mean over all pairs (Eden's definition) compares
 * each picture with pictures of other things, so that content hides style; between the two sets' means it cancels out.
 *
 * @param textAlignment mean over pictures of cos(picture, its text)
 * @param trainingImageAlignment mean of cos over all pairs of a generated and a training picture
 * @param styleAlignment cos(mean of the generated pictures, mean of the training pictures)
 * @param diversity mean of 1 - cos over all pairs of distinct generated pictures; 0 for one picture
 */
@RecordBuilder
record ClipMetrics(double textAlignment, double trainingImageAlignment, double styleAlignment, double diversity) {
    /**
     * Measures.
     *
     * @param pictures the generated pictures (N, D)
     * @param texts what they are compared with (N, D)
     * @param training the training pictures (M, D)
     */
    static ClipMetrics of(Embeddings pictures, Embeddings texts, Embeddings training) {
        int n = pictures.size();
        double text = 0;
        double squares = 0;
        for (int i = 0; i < n; i++) {
            text += Embeddings.dot(pictures.row(i), texts.row(i)) / n;
            squares += Embeddings.dot(pictures.row(i), pictures.row(i));
        }
        double[] sum = pictures.sum();
        double[] trainingSum = training.sum();
        // Sums over all pairs; the squares are each picture with itself.
        double image = Embeddings.dot(sum, trainingSum) / n / training.size();
        double distinct = Embeddings.dot(sum, sum) - squares;
        double diversity = n < 2 ? 0 : 1 - distinct / (n * (n - 1.0));
        return ClipMetricsBuilder.builder()
                .textAlignment(text)
                .trainingImageAlignment(image)
                .styleAlignment(Embeddings.cosine(sum, trainingSum))
                .diversity(diversity)
                .build();
    }

    /** The mean of each metric. */
    static ClipMetrics mean(List<ClipMetrics> of) {
        return ClipMetricsBuilder.builder()
                .textAlignment(mean(of, ClipMetrics::textAlignment))
                .trainingImageAlignment(mean(of, ClipMetrics::trainingImageAlignment))
                .styleAlignment(mean(of, ClipMetrics::styleAlignment))
                .diversity(mean(of, ClipMetrics::diversity))
                .build();
    }

    /** The mean of one metric. */
    static <T> double mean(List<T> of, ToDoubleFunction<T> metric) {
        return of.stream().mapToDouble(metric).average().orElseThrow();
    }
}
