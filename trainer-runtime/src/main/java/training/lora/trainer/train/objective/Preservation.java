package training.lora.trainer.train.objective;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.List;
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
    private static final TorchScript EVERYWHERE = TorchScript.compile(
            List.of("p", "t", "w"),
            List.of(
                    "d = torch.sub(p, t)",
                    "l = torch.mul(torch.sum(torch.mul(d, d)), w)",
                    "return (l, torch.mul(d, torch.mul(w, 2.)))"),
            2);

    /** Adds to g where the mask m (B, 1, h, w) leaves a place out. */
    private static final TorchScript OUTSIDE = TorchScript.compile("g, p, t, m, w", """
            d = torch.sub(p, t)
            o = torch.mul(d, torch.rsub(m, 1.))
            _0 = torch.add_(g, torch.mul(o, torch.mul(w, 2.)))
            return torch.mul(torch.sum(torch.mul(o, d)), w)
            """);

    /** Whether the empty text's prediction is kept. */
    public boolean ofEmptyPrompt() {
        return settings.emptyPrompt() > 0;
    }

    /** Whether the prediction outside of masks is kept. */
    public boolean outsideMask() {
        return settings.outsideMask() > 0;
    }

    /**
     * The loss of a batch by the prediction of the empty text, times its weight.
     *
     * @param predicted with the adapter (B, C, h, w)
     * @param base without it
     * @param samples of all batches of the step
     * @return in {@code scope}
     */
    public LossTerm.Value ofEmptyPrompt(NDArray predicted, NDArray base, int samples, NDManager scope) {
        return everywhere(settings.emptyPrompt(), predicted, base, samples, scope);
    }

    /** The same of the texts whose predictions are kept. */
    public LossTerm.Value ofPrompts(NDArray predicted, NDArray base, int samples, NDManager scope) {
        return everywhere(settings.weightOfPrompts(), predicted, base, samples, scope);
    }

    private static LossTerm.Value everywhere(
            double weight, NDArray predicted, NDArray base, int samples, NDManager scope) {
        NDList values = EVERYWHERE.callAll(scope, predicted, base, share(weight, predicted, samples, scope));
        return new LossTerm.Value(values.get(0), values.get(1));
    }

    /**
     * Adds to the gradient by the prediction of the captions what keeps it outside of masks.
     *
     * @param gradient (B, C, h, w)
     * @param predicted with the adapter (B, C, h, w)
     * @param base without it
     * @param mask how much each place counts (B, 1, h, w); null: all of it, so that nothing is outside
     * @param samples of all batches of the step
     * @return the batch's loss, times its weight, a scalar in {@code scope}; null without a mask
     */
    public @Nullable NDArray outsideMask(
            NDArray gradient, NDArray predicted, NDArray base, @Nullable NDArray mask, int samples, NDManager scope) {
        return mask == null
                ? null
                : OUTSIDE.call(
                        scope,
                        gradient,
                        predicted,
                        base,
                        mask,
                        share(settings.outsideMask(), predicted, samples, scope));
    }

    private static NDArray share(double weight, NDArray predicted, int samples, NDManager scope) {
        Shape shape = predicted.getShape();
        double elements = (double) shape.size() / shape.get(0);
        return scope.create((float) (weight / (elements * samples)));
    }
}
