package training.lora.trainer.adapter;

import ai.djl.ndarray.types.Shape;
import training.lora.trainer.model.Component;

/**
 * An adapted module without its values: dW = scale * up * down. A linear module has down (r, in) and up (out, r), a
 * convolution down (r, in, k, k) and up (out, r, 1, 1).
 *
 * @param component the part of the model it is in
 * @param path module path in diffusers' names, within the component
 * @param downShape shape of down; the rank comes first
 * @param upShape shape of up
 * @param alpha scale times rank, or times its root if it is rank-stabilized
 * @param rankStabilized whether the scale is alpha / sqrt(r) (Kalajdzievski 2023), not alpha / r
 */
public record ModuleForm(
        Component component, String path, Shape downShape, Shape upShape, double alpha, boolean rankStabilized) {
    public ModuleForm {
        if (downShape.dimension() < 2
                || upShape.dimension() != downShape.dimension()
                || upShape.get(1) != downShape.get(0)
                || upShape.get(1) == 0) {
            throw new IllegalArgumentException(
                    "%s must have factors of one rank, at least 1, but their shapes are %s and %s"
                            .formatted(path, downShape, upShape));
        }
    }

    /** Its rank. */
    public int rank() {
        return (int) downShape.get(0);
    }

    /** What up * down is multiplied by. */
    public double scale() {
        return rankStabilized ? alpha / Math.sqrt(rank()) : alpha / rank();
    }

    /** The alpha that gives the scale where it is divided by the rank, whether it is rank-stabilized or not. */
    public double foldedAlpha() {
        return rankStabilized ? scale() * rank() : alpha;
    }

    /** Whether it stands beside a convolution that sees more than a pixel. */
    public boolean convolution() {
        return downShape.dimension() == 4 && downShape.get(2) > 1;
    }

    /** Numbers in both factors. */
    public long size() {
        return downShape.size() + upShape.size();
    }
}
