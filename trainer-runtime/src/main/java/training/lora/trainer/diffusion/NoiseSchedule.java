package training.lora.trainer.diffusion;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.Arrays;
import java.util.function.DoubleUnaryOperator;
import training.lora.api.Prediction;
import training.lora.trainer.model.basemodel.Schedule;
import training.lora.trainer.tensor.HostNumbers;
import training.lora.trainer.tensor.TorchScript;

/**
 * The forward process of DDPM (Ho et al. 2020): x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps, where abar_t is the
 * product of 1 - beta up to t. B pictures.
 */
public final class NoiseSchedule {
    private static final TorchScript MIX = TorchScript.compile("x, e, a, b", """
            return torch.add(torch.mul(a, x), torch.mul(b, e))
            """);

    private final double[] alphaBars;
    private final Prediction prediction;

    private NoiseSchedule(double[] alphaBars, Prediction prediction) {
        this.alphaBars = alphaBars;
        this.prediction = prediction;
    }

    /** The schedule that a model was trained with. */
    public static NoiseSchedule of(Schedule settings) {
        int count = settings.trainTimesteps();
        double[] alphaBars = new double[count];
        double product = 1;
        for (int t = 0; t < count; t++) {
            product *= 1 - beta(settings, count == 1 ? 0 : t / (count - 1.0));
            alphaBars[t] = product;
        }
        return new NoiseSchedule(settings.zeroTerminalSnr() ? rescaled(alphaBars) : alphaBars, settings.prediction());
    }

    /** Roots of abar shifted to end at 0 and stretched to begin as before (Lin et al. 2023, algorithm 1). */
    private static double[] rescaled(double[] alphaBars) {
        double first = Math.sqrt(alphaBars[0]);
        double last = Math.sqrt(alphaBars[alphaBars.length - 1]);
        return Arrays.stream(alphaBars)
                .map(abar -> (Math.sqrt(abar) - last) * first / (first - last))
                .map(root -> root * root)
                .toArray();
    }

    /** Beta at a fraction of the way; "scaled_linear" is linear in its root, as the authors of latent diffusion do. */
    private static double beta(Schedule settings, double fraction) {
        return switch (settings.betas()) {
            case Linear -> settings.betaStart() + fraction * (settings.betaEnd() - settings.betaStart());
            case ScaledLinear -> {
                double start = Math.sqrt(settings.betaStart());
                double root = start + fraction * (Math.sqrt(settings.betaEnd()) - start);
                yield root * root;
            }
        };
    }

    /** Number of timesteps T; they go from 0 to T - 1. */
    public int timesteps() {
        return alphaBars.length;
    }

    /** Share of the signal's variance that is left at {@code timestep}. */
    public double alphaBar(int timestep) {
        return alphaBars[timestep];
    }

    /** Signal-to-noise ratio abar / (1 - abar). */
    public double signalToNoise(int timestep) {
        return alphaBars[timestep] / (1 - alphaBars[timestep]);
    }

    /** Noise beside a signal of scale 1: sqrt((1 - abar) / abar). */
    public double sigma(int timestep) {
        return Math.sqrt((1 - alphaBars[timestep]) / alphaBars[timestep]);
    }

    /** What the model predicts. */
    public Prediction prediction() {
        return prediction;
    }

    /**
     * Latents with noise, in {@code latents}' manager.
     *
     * @param latents x_0 (B, C, h, w)
     * @param noise eps (B, C, h, w)
     * @param timesteps B timesteps
     * @return x_t (B, C, h, w)
     */
    public NDArray addNoise(NDArray latents, NDArray noise, int[] timesteps) {
        return mix(latents, noise, timesteps, abar -> Math.sqrt(abar), abar -> Math.sqrt(1 - abar));
    }

    /**
     * Velocity v = sqrt(abar) eps - sqrt(1 - abar) x_0 (Salimans and Ho 2022), in {@code latents}' manager.
     *
     * @param latents x_0 (B, C, h, w)
     * @param noise eps (B, C, h, w)
     * @param timesteps B timesteps
     * @return v (B, C, h, w)
     */
    public NDArray velocity(NDArray latents, NDArray noise, int[] timesteps) {
        return mix(latents, noise, timesteps, abar -> -Math.sqrt(1 - abar), abar -> Math.sqrt(abar));
    }

    private NDArray mix(
            NDArray latents,
            NDArray noise,
            int[] timesteps,
            DoubleUnaryOperator ofLatents,
            DoubleUnaryOperator ofNoise) {
        NDManager scope = latents.getManager();
        float[] a = new float[timesteps.length];
        float[] b = new float[timesteps.length];
        for (int i = 0; i < timesteps.length; i++) {
            a[i] = (float) ofLatents.applyAsDouble(alphaBars[timesteps[i]]);
            b[i] = (float) ofNoise.applyAsDouble(alphaBars[timesteps[i]]);
        }
        Shape column = new Shape(timesteps.length, 1, 1, 1);
        try (NDArray first = HostNumbers.floats(scope, a, column);
                NDArray second = HostNumbers.floats(scope, b, column)) {
            return MIX.call(scope, latents, noise, first, second);
        }
    }
}
