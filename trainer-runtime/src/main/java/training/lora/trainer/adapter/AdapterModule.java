package training.lora.trainer.adapter;

import ai.djl.ndarray.types.Shape;
import training.lora.trainer.model.Component;

/**
 * One adapted module, as files hold it: dW = scale * up * down. A linear module has down (r, in) and up (out, r), a
 * convolution down (r, in, k, k) and up (out, r, 1, 1).
 *
 * @param component the part of the model it is in
 * @param path module path in diffusers' names, within the component
 * @param downShape shape of down; the rank comes first
 * @param upShape shape of up
 * @param alpha scale times rank, or times its root if it is rank-stabilized
 * @param rankStabilized whether the scale is alpha / sqrt(r) (Kalajdzievski 2023), not alpha / r
 * @param down row by row
 * @param up row by row
 */
public record AdapterModule(
        Component component,
        String path,
        Shape downShape,
        Shape upShape,
        double alpha,
        boolean rankStabilized,
        float[] down,
        float[] up) {
    public AdapterModule {
        if (downShape.size() != down.length || upShape.size() != up.length || upShape.get(1) != downShape.get(0)) {
            throw new IllegalArgumentException(
                    "%s must have as many values as its shapes %s and %s say, and one rank, but has %d and %d"
                            .formatted(path, downShape, upShape, down.length, up.length));
        }
    }

    /** A linear module: {@code down} is (rank, in), {@code up} (out, rank). */
    public static AdapterModule linear(
            Component component,
            String path,
            int rank,
            double alpha,
            boolean rankStabilized,
            float[] down,
            float[] up) {
        return new AdapterModule(
                component,
                path,
                new Shape(rank, down.length / rank),
                new Shape(up.length / rank, rank),
                alpha,
                rankStabilized,
                down,
                up);
    }

    /** Its rank. */
    public int rank() {
        return (int) downShape.get(0);
    }

    /** What up * down is multiplied by. */
    public double scale() {
        return rankStabilized ? alpha / Math.sqrt(rank()) : alpha / rank();
    }

    /** Whether it stands beside a convolution. */
    public boolean convolution() {
        return downShape.dimension() == 4;
    }

    /** Frobenius norm of dW: the root of the trace of (up^T up)(down down^T), which are only (r, r). */
    public double norm() {
        int r = rank();
        int in = down.length / r;
        int out = up.length / r;
        double trace = 0;
        for (int i = 0; i < r; i++) {
            for (int j = 0; j <= i; j++) {
                double a = 0;
                for (int k = 0; k < in; k++) {
                    a += (double) down[i * in + k] * down[j * in + k];
                }
                double b = 0;
                for (int k = 0; k < out; k++) {
                    b += (double) up[k * r + i] * up[k * r + j];
                }
                trace += (i == j ? 1 : 2) * a * b;
            }
        }
        return scale() * Math.sqrt(Math.max(0, trace));
    }
}
