package training.lora.trainer.evaluate;

import ai.djl.ndarray.NDArray;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Unit vectors of pictures or texts, one a row, as doubles of Java: they are few, and what is made of them are sums that
 * should not depend on how a device adds.
 */
record Embeddings(double[][] rows) {
    /** Of {@code vectors} (N, D). */
    static Embeddings of(NDArray vectors) {
        float[] values = vectors.toFloatArray();
        int n = (int) vectors.getShape().get(0);
        int d = values.length / n;
        return new Embeddings(IntStream.range(0, n)
                .mapToObj(i -> IntStream.range(i * d, (i + 1) * d)
                        .mapToDouble(k -> values[k])
                        .toArray())
                .toArray(double[][]::new));
    }

    static Embeddings concat(List<Embeddings> parts) {
        return new Embeddings(parts.stream().flatMap(p -> Arrays.stream(p.rows)).toArray(double[][]::new));
    }

    int size() {
        return rows.length;
    }

    double[] row(int i) {
        return rows[i];
    }

    Embeddings take(int[] chosen) {
        return new Embeddings(Arrays.stream(chosen).mapToObj(i -> rows[i]).toArray(double[][]::new));
    }

    /** The sum of all rows. */
    double[] sum() {
        double[] sum = new double[rows[0].length];
        for (double[] row : rows) {
            for (int k = 0; k < sum.length; k++) {
                sum[k] += row[k];
            }
        }
        return sum;
    }

    static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int k = 0; k < a.length; k++) {
            sum += a[k] * b[k];
        }
        return sum;
    }

    /** The cosine of the angle between {@code a} and {@code b}; 0 where one has no direction. */
    static double cosine(double[] a, double[] b) {
        double norms = Math.sqrt(dot(a, a) * dot(b, b));
        return norms == 0 ? 0 : dot(a, b) / norms;
    }
}
