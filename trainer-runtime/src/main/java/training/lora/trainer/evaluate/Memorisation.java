package training.lora.trainer.evaluate;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Whether pictures copy training pictures. The nearest one is looked for by CLIP and by pixels. Pixels tell a copy: by CLIP
 * two training pictures of one style may be as near to each other as a copy is to one.
 */
final class Memorisation {
    static final String NAME = "memorised";

    /**
     * A copy's distance by pixels is at most this, and at most this share of the median distance of training pictures from
     * the nearest other. docs/decisions/0022 has the pictures that both are from.
     */
    static final double DISTANCE = 0.09;

    static final double SHARE = 0.4;

    private final Embeddings training;
    private final List<Thumbnail> thumbnails;
    private final double distance;
    private final double cosine;

    /**
     * The training pictures that are nearest to a picture.
     *
     * @param byClip number of the nearest by CLIP
     * @param cosine with it
     * @param byPixels number of the nearest by pixels
     * @param distance from it
     * @param memorised whether the picture copies it
     */
    record Nearest(int byClip, double cosine, int byPixels, double distance, boolean memorised) {}

    Memorisation(Embeddings training, List<Path> files) {
        this(training, files.stream().map(Thumbnail::of).toArray(Thumbnail[]::new));
    }

    Memorisation(Embeddings training, Thumbnail[] thumbnails) {
        this.training = training;
        this.thumbnails = List.of(thumbnails);
        int m = training.size();
        this.distance = m < 2
                ? DISTANCE
                : Math.min(
                        DISTANCE,
                        SHARE
                                * median(IntStream.range(0, m)
                                        .mapToDouble(i -> IntStream.range(0, m)
                                                .filter(j -> j != i)
                                                .mapToDouble(j -> thumbnails[i].distance(thumbnails[j]))
                                                .min()
                                                .orElseThrow())
                                        .toArray()));
        this.cosine = m < 2
                ? -1
                : median(IntStream.range(0, m)
                        .mapToDouble(i -> IntStream.range(0, m)
                                .filter(j -> j != i)
                                .mapToDouble(j -> Embeddings.dot(training.row(i), training.row(j)))
                                .max()
                                .orElseThrow())
                        .toArray());
    }

    private static double median(double[] values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        int middle = sorted.length / 2;
        return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }

    /** The distance by pixels at and below which a picture is a copy. */
    double distance() {
        return distance;
    }

    /** The median cosine of training pictures with the nearest other; -1 where there is one alone. */
    double cosine() {
        return cosine;
    }

    Nearest nearest(double[] vector, Thumbnail thumbnail) {
        int byClip = 0;
        double best = Double.NEGATIVE_INFINITY;
        int byPixels = 0;
        double least = Double.POSITIVE_INFINITY;
        for (int i = 0; i < training.size(); i++) {
            double similarity = Embeddings.dot(vector, training.row(i));
            double apart = thumbnail.distance(thumbnails.get(i));
            if (similarity > best) {
                best = similarity;
                byClip = i;
            }
            if (apart < least) {
                least = apart;
                byPixels = i;
            }
        }
        return new Nearest(byClip, best, byPixels, least, least <= distance);
    }

    /** Of each picture. */
    List<Nearest> nearest(Embeddings vectors, List<Path> files) {
        return IntStream.range(0, vectors.size())
                .mapToObj(i -> nearest(vectors.row(i), Thumbnail.of(files.get(i))))
                .toList();
    }
}
