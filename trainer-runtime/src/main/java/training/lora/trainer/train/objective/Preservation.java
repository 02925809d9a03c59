package training.lora.trainer.train.objective;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import org.jspecify.annotations.Nullable;
import training.lora.api.PreservationSpec;
import training.lora.trainer.tensor.TorchScript;

/**
 * The squared distance between predictions with and without an adapter, as ai-toolkit has it: its mean over a sample's elements and
 * over the step's samples, times a weight. It has no weight by timestep. B samples, C latent channels, h x w latents.
 *
 * @param settings its weights
 */
public record Preservation(PreservationSpec settings) {
    /** w: what an element counts, a scalar. */
    private static final TorchScript EVERYWHERE =
            TorchScript.compile("p, t, w", "return torch.mul(torch.sub(p, t), torch.mul(w, 2.))");

    /** Adds to g where the mask m (B, 1, h, w) leaves a place out. */
    private static final TorchScript OUTSIDE = TorchScript.compile(
            "g, p, t, m, w",
            "return torch.add_(g, torch.mul(torch.mul(torch.sub(p, t), torch.rsub(m, 1.)), torch.mul(w, 2.)))");

    /** Whether the empty text's prediction is kept. */
    public boolean ofEmptyPrompt() {
        return settings.emptyPrompt() > 0;
    }

    /** Whether the prediction outside of masks is kept. */
    public boolean outsideMask() {
        return settings.outsideMask() > 0;
    }

    /**
     * The gradient by the prediction of the empty text.
     *
     * @param predicted with the adapter (B, C, h, w)
     * @param base without it
     * @param samples of all batches of the step
     * @return (B, C, h, w), in {@code scope}
     */
    public NDArray ofEmptyPrompt(NDArray predicted, NDArray base, int samples, NDManager scope) {
        return EVERYWHERE.call(scope, predicted, base, share(settings.emptyPrompt(), predicted, samples, scope));
    }

    /** The same of the texts whose predictions are kept. */
    public NDArray ofPrompts(NDArray predicted, NDArray base, int samples, NDManager scope) {
        return EVERYWHERE.call(scope, predicted, base, share(settings.weightOfPrompts(), predicted, samples, scope));
    }

    /**
     * Adds to the gradient by the prediction of the captions what keeps it outside of masks.
     *
     * @param gradient (B, C, h, w)
     * @param predicted with the adapter (B, C, h, w)
     * @param base without it
     * @param mask how much each place counts (B, 1, h, w); null: all of it, so that nothing is outside
     * @param samples of all batches of the step
     */
    public void outsideMask(
            NDArray gradient, NDArray predicted, NDArray base, @Nullable NDArray mask, int samples, NDManager scope) {
        if (mask != null) {
            NDArray share = share(settings.outsideMask(), predicted, samples, scope);
            OUTSIDE.call(scope, gradient, predicted, base, mask, share);
        }
    }

    private static NDArray share(double weight, NDArray predicted, int samples, NDManager scope) {
        Shape shape = predicted.getShape();
        double elements = (double) shape.size() / shape.get(0);
        return scope.create((float) (weight / (elements * samples)));
    }
}
