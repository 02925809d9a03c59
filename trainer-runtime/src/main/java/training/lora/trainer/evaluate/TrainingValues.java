package training.lora.trainer.evaluate;

import java.util.stream.IntStream;

/**
 * What is measured of a concept's training pictures themselves: no more is asked of generated ones. NaN: it can't be measured.
 *
 * @param aesthetic their mean aesthetic score
 * @param diversity mean of 1 - cos over all pairs
 * @param faces mean cosine of their faces with each other; 1 where there is one face alone
 * @param overfit how much nearer they are to each other than to held-out pictures
 */
record TrainingValues(double aesthetic, double diversity, double faces, double overfit) {
    static final TrainingValues NONE = new TrainingValues(Double.NaN, Double.NaN, Double.NaN, Double.NaN);

    /**
     * Measures.
     *
     * @param heldOut pictures of the concept that are not trained on; may be empty
     * @param aesthetic the mean aesthetic score of {@code training}; NaN where there is none
     * @param faces mean cosine of their faces with each other; NaN where it isn't measured
     */
    static TrainingValues of(Embeddings training, Embeddings heldOut, double aesthetic, double faces) {
        int m = training.size();
        double[] sum = training.sum();
        double squares = IntStream.range(0, m)
                .mapToDouble(i -> Embeddings.dot(training.row(i), training.row(i)))
                .sum();
        double among = m < 2 ? Double.NaN : (Embeddings.dot(sum, sum) - squares) / (m * (m - 1.0));
        double toHeldOut = heldOut.size() == 0 ? Double.NaN : Embeddings.dot(sum, heldOut.sum()) / m / heldOut.size();
        return new TrainingValues(aesthetic, 1 - among, faces, among - toHeldOut);
    }
}
