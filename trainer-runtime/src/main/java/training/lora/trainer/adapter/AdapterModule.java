package training.lora.trainer.adapter;

import ai.djl.ndarray.types.Shape;
import training.lora.trainer.model.Component;

/**
 * An adapted module as files hold it.
 *
 * @param form what it is
 * @param down row by row
 * @param up row by row
 */
public record AdapterModule(ModuleForm form, float[] down, float[] up) {
    public AdapterModule {
        if (form.downShape().size() != down.length || form.upShape().size() != up.length) {
            throw new IllegalArgumentException(
                    "%s must have as many values as its shapes %s and %s say, but has %d and %d"
                            .formatted(form.path(), form.downShape(), form.upShape(), down.length, up.length));
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
        Shape downShape = new Shape(rank, down.length / rank);
        Shape upShape = new Shape(up.length / rank, rank);
        return new AdapterModule(new ModuleForm(component, path, downShape, upShape, alpha, rankStabilized), down, up);
    }

    /** Frobenius norm of dW: the root of the trace of (up^T up)(down down^T), which are only (r, r). */
    public double norm() {
        int r = form.rank();
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
        return form.scale() * Math.sqrt(Math.max(0, trace));
    }
}
