package training.lora.trainer.evaluate;

import io.soabase.recordbuilder.core.RecordBuilder;
import java.util.List;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;

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
        int[] all = IntStream.range(0, pictures.size()).toArray();
        return of(pictures, texts, all, training.sum(), training.size());
    }

    /**
     * Measures some of the pictures, each as often as it is chosen; two of the same make no pair.
     *
     * @param chosen numbers of pictures
     * @param trainingSum the sum of the training pictures
     * @param trainingSize how many they are
     */
    static ClipMetrics of(Embeddings pictures, Embeddings texts, int[] chosen, double[] trainingSum, int trainingSize) {
        double n = chosen.length;
        double text = 0;
        int[] times = new int[pictures.size()];
        for (int i : chosen) {
            text += Embeddings.dot(pictures.row(i), texts.row(i)) / n;
            times[i]++;
        }
        double squares = 0;
        double same = 0;
        for (int i = 0; i < times.length; i++) {
            double pairs = (double) times[i] * times[i];
            squares += pairs * Embeddings.dot(pictures.row(i), pictures.row(i));
            same += pairs;
        }
        double[] sum = pictures.take(chosen).sum();
        // Sums over all pairs; the squares are each picture with itself.
        double image = Embeddings.dot(sum, trainingSum) / n / trainingSize;
        double distinct = Embeddings.dot(sum, sum) - squares;
        double diversity = same == n * n ? 0 : 1 - distinct / (n * n - same);
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
