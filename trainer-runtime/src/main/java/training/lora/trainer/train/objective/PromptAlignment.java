package training.lora.trainer.train.objective;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.function.IntToDoubleFunction;
import training.lora.api.Prediction;
import training.lora.api.PromptAlignmentSpec;
import training.lora.trainer.diffusion.NoiseSchedule;
import training.lora.trainer.tensor.TorchScript;
import training.lora.trainer.train.batch.Aligned;

/**
 * Score distillation towards a text that the base model knows (prompt-aligned personalization, Arar et al. 2024). Of the noisy picture
 * x_t and its prediction by what is trained the clean picture is estimated as x^_0, which is noised anew to x^_t'. The gradient is
 * w(t) (G^alpha(x^_t', t', y_c) - G_theta^beta(x^_t', t', y_P)) dx^_0/dtheta: G is the base model's noise for the text y_c, with the
 * class in the place of the trigger, at guidance alpha, G_theta the trained one's for the text y_P with the trigger at
 * guidance beta, and G^a(x, t, y) = G(x, t, "") + a (G(x, t, y) - G(x, t, "")). Networks are passed through by x^_0 alone.
 *
 * <p>w(t) is chosen as 1 / |dx^_0/dp| with p the prediction of x_t, so that the gradient by p is -(G^alpha - G_theta^beta) times the weight and
 * what a mean of squares over elements and samples counts, 2 / n: as if the target were that far from the prediction. B samples, C latent
 * channels, h x w latents.
 *
 * <p>It is defined by its gradient. What is logged is the loss that has this gradient by p with the target treated as a constant: the
 * squared distance of p from it.
 */
public final class PromptAlignment {
    private static final TorchScript ESTIMATE = TorchScript.compile(
            "noisy, predicted, signal, noise",
            "return torch.add(torch.mul(noisy, signal), torch.mul(predicted, noise))");

    /**
     * Adds to the gradient and gives what is logged. target and empty are the base model's predictions of y_c and of the empty text, own
     * and own_empty the trained one's of y_P and of the empty text; factors: alpha, beta and the weight's share of an element; of_noise:
     * what a prediction is multiplied by to be noise; shares: this times what a sample counts.
     */
    private static final TorchScript ADD =
            TorchScript.compile("gradient, target, empty, own, own_empty, factors, shares, of_noise", """
            factor = torch.unbind(factors, 0)
            guided = torch.add(empty, torch.mul(torch.sub(target, empty), factor[0]))
            own_guided = torch.add(own_empty, torch.mul(torch.sub(own, own_empty), factor[1]))
            distance = torch.sub(guided, own_guided)
            shared = torch.mul(distance, shares)
            _0 = torch.sub_(gradient, torch.mul(shared, factor[2]))
            squared = torch.sum(torch.mul(torch.mul(distance, of_noise), shared))
            return torch.mul(squared, torch.mul(factor[2], 0.5))
            """);

    private final NoiseSchedule schedule;
    private final PromptAlignmentSpec settings;
    private final boolean velocity;

    public PromptAlignment(NoiseSchedule schedule, PromptAlignmentSpec settings) {
        this.schedule = schedule;
        this.settings = settings;
        this.velocity = schedule.prediction() == Prediction.V;
    }

    /**
     * x^_t' (B, C, h, w), in {@code scope}.
     *
     * @param noisy x_t (B, C, h, w)
     * @param predicted its prediction (B, C, h, w)
     * @param timesteps t of each sample
     */
    public NDArray noisedAgain(NDArray noisy, NDArray predicted, int[] timesteps, Aligned aligned, NDManager scope) {
        NDArray signal = column(
                timesteps,
                t -> velocity ? Math.sqrt(schedule.alphaBar(t)) : 1 / Math.sqrt(schedule.alphaBar(t)),
                scope);
        NDArray noise =
                column(timesteps, t -> velocity ? -Math.sqrt(1 - schedule.alphaBar(t)) : -schedule.sigma(t), scope);
        NDArray estimate = ESTIMATE.call(scope, noisy, predicted, signal, noise);
        NDArray again = schedule.addNoise(estimate, aligned.noise(), aligned.timesteps());
        again.attach(scope);
        return again;
    }

    /**
     * Predictions of x^_t', (B, C, h, w) each.
     *
     * @param target the base model's, of y_c
     * @param empty the base model's, of the empty text
     * @param own the trained one's, of y_P
     * @param ownEmpty the trained one's, of the empty text
     */
    public record Predictions(NDArray target, NDArray empty, NDArray own, NDArray ownEmpty) {}

    /**
     * Adds to the gradient by the prediction of x_t.
     *
     * @param gradient (B, C, h, w)
     * @param aligned whose factors each sample's share is multiplied by
     * @param samples of all batches of the step
     * @return what is logged of a batch, times the weight, a scalar in {@code scope}
     */
    public NDArray addTo(NDArray gradient, Predictions predictions, Aligned aligned, int samples, NDManager scope) {
        Shape shape = gradient.getShape();
        double elements = (double) shape.size() / shape.get(0);
        NDArray factors = scope.create(new float[] {
            settings.guidance().floatValue(),
            settings.ownGuidance().floatValue(),
            (float) (2 * settings.weight() / (elements * samples))
        });
        // Noise is sqrt(abar) v and a share of x, which both have.
        NDArray ofNoise = column(aligned.timesteps(), t -> velocity ? Math.sqrt(schedule.alphaBar(t)) : 1, scope);
        NDArray shares = ofNoise.mul(scope.create(aligned.factors(), ofNoise.getShape()));
        shares.attach(scope);
        return ADD.call(
                scope,
                gradient,
                predictions.target(),
                predictions.empty(),
                predictions.own(),
                predictions.ownEmpty(),
                factors,
                shares,
                ofNoise);
    }

    private static NDArray column(int[] timesteps, IntToDoubleFunction of, NDManager scope) {
        float[] values = new float[timesteps.length];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) of.applyAsDouble(timesteps[i]);
        }
        return scope.create(values, new Shape(values.length, 1, 1, 1));
    }
}
