package training.lora.trainer.evaluate;

import java.util.Map;
import java.util.stream.IntStream;

/** How much nearer pictures are to the training pictures than to held-out ones of the same concept. */
final class HeldOut {
    static final String ALIGNMENT = "heldOutAlignment";
    static final String OVERFIT = "overfit";

    private HeldOut() {}

    /** Of each picture: the mean cosine with the held-out pictures, and that with the training pictures less it. */
    static Map<String, double[]> values(Embeddings pictures, Embeddings training, Embeddings heldOut) {
        double[] alignment = means(pictures, heldOut);
        double[] trained = means(pictures, training);
        return Map.of(
                ALIGNMENT,
                alignment,
                OVERFIT,
                IntStream.range(0, alignment.length)
                        .mapToDouble(i -> trained[i] - alignment[i])
                        .toArray());
    }

    private static double[] means(Embeddings pictures, Embeddings with) {
        double[] sum = with.sum();
        return IntStream.range(0, pictures.size())
                .mapToDouble(i -> Embeddings.dot(pictures.row(i), sum) / with.size())
                .toArray();
    }
}
