package training.lora.trainer.evaluate;

/**
 * How near pictures are to a concept's training pictures. A picture's alignment is its cosine with the mean of the
 * training pictures.
 */
final class Likeness {
    private final double[] centre;
    private final double zero;
    private final double one;

    /**
     * What training pictures are among each other.
     *
     * @param centre their sum
     * @param one the mean alignment of each with the others; NaN where there is one picture alone
     */
    record Among(double[] centre, double one) {
        static Among of(Embeddings training) {
            double[] centre = training.sum();
            if (training.size() == 1) {
                return new Among(centre, Double.NaN);
            }
            double one = 0;
            for (int i = 0; i < training.size(); i++) {
                double[] others = centre.clone();
                for (int k = 0; k < others.length; k++) {
                    others[k] -= training.row(i)[k];
                }
                one += Embeddings.cosine(training.row(i), others) / training.size();
            }
            return new Among(centre, one);
        }
    }

    private Likeness(double[] centre, double zero, double one) {
        this.centre = centre;
        this.zero = zero;
        this.one = one;
    }

    /**
     * Of the training pictures, from {@code base}, the base model's pictures, to each training picture's alignment with
     * the mean of the others (leave-one-out). A single picture has no others: it is raw alignment, from 0 to 1.
     */
    static Likeness of(Embeddings training, Embeddings base) {
        return of(Among.of(training), base);
    }

    /** The same. */
    static Likeness of(Among training, Embeddings base) {
        return Double.isNaN(training.one)
                ? new Likeness(training.centre, 0, 1)
                : new Likeness(training.centre, alignment(base, training.centre), training.one);
    }

    /** 0 at the base model's alignment or below, 1 at that of the training pictures or above. */
    double learned(Embeddings pictures) {
        return Share.of(alignment(pictures, centre), zero, one);
    }

    private static double alignment(Embeddings pictures, double[] centre) {
        double sum = 0;
        for (double[] picture : pictures.rows()) {
            sum += Embeddings.cosine(picture, centre);
        }
        return sum / pictures.size();
    }
}
