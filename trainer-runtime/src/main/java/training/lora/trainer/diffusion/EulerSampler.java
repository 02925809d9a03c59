package training.lora.trainer.diffusion;

import ai.djl.ndarray.NDArray;
import training.lora.api.Prediction;
import training.lora.trainer.model.basemodel.Schedule;

/**
 * Euler's method for the probability-flow ODE (Karras et al. 2022, algorithm 2 without churn), step for step what
 * diffusers' EulerDiscreteScheduler does: sigma falls from that of the first timestep to 0, and the model's input is
 * x / sqrt(sigma^2 + 1).
 */
public final class EulerSampler {
    /** What is left of the signal's variance where there should be none, so that sigma is finite; diffusers' choice. */
    private static final double LEAST_ALPHA_BAR = 0x1p-24;

    private final Prediction prediction;
    private final double[] timesteps;
    private final double[] sigmas;
    private final double initialScale;

    private EulerSampler(Prediction prediction, double[] timesteps, double[] sigmas, double initialScale) {
        this.prediction = prediction;
        this.timesteps = timesteps;
        this.sigmas = sigmas;
        this.initialScale = initialScale;
    }

    /** A sampler of {@code steps} steps, spaced as the model's scheduler_config.json says. */
    public static EulerSampler of(Schedule settings, int steps) {
        NoiseSchedule schedule = NoiseSchedule.of(settings);
        double[] timesteps = new double[steps];
        for (int i = 0; i < steps; i++) {
            timesteps[i] = timestep(settings, steps, i);
        }
        double[] sigmas = new double[steps + 1];
        double highest = 0;
        for (int i = 0; i < steps; i++) {
            sigmas[i] = sigma(schedule, timesteps[i]);
            highest = Math.max(highest, sigmas[i]);
        }
        double initialScale =
                settings.spacing() == Schedule.Spacing.Leading ? Math.sqrt(highest * highest + 1) : highest;
        return new EulerSampler(settings.prediction(), timesteps, sigmas, initialScale);
    }

    /** The timestep of step {@code i}, rounded half to even where diffusers (NumPy) rounds. */
    private static double timestep(Schedule settings, int steps, int i) {
        int count = settings.trainTimesteps();
        return switch (settings.spacing()) {
            case Linspace -> steps == 1 ? 0 : (float) ((count - 1.0) * (steps - 1 - i) / (steps - 1));
            case Leading -> (double) (steps - 1 - i) * (count / steps) + settings.stepsOffset();
            case Trailing -> {
                double ratio = (double) count / steps;
                // numpy.arange multiplies the difference of its first two elements, which decides some halves.
                double difference = (count - ratio) - count;
                yield Math.rint(count + i * difference) - 1;
            }
        };
    }

    /** Sigma between whole timesteps is interpolated linearly. */
    private static double sigma(NoiseSchedule schedule, double timestep) {
        int below = (int) Math.min(Math.max(Math.floor(timestep), 0), schedule.timesteps() - 1);
        int above = Math.min(below + 1, schedule.timesteps() - 1);
        double fraction = Math.min(Math.max(timestep - below, 0), 1);
        return (1 - fraction) * sigmaAt(schedule, below) + fraction * sigmaAt(schedule, above);
    }

    private static double sigmaAt(NoiseSchedule schedule, int timestep) {
        return schedule.alphaBar(timestep) < LEAST_ALPHA_BAR
                ? Math.sqrt((1 - LEAST_ALPHA_BAR) / LEAST_ALPHA_BAR)
                : schedule.sigma(timestep);
    }

    /** Number of steps. */
    public int steps() {
        return timesteps.length;
    }

    /** The timestep that the model is told at step {@code i}. */
    public double timestep(int i) {
        return timesteps[i];
    }

    /** The noise level before step {@code i}; 0 after the last. */
    public double sigma(int i) {
        return sigmas[i];
    }

    /** What unit noise is multiplied by to begin. */
    public double initialScale() {
        return initialScale;
    }

    /** The model's input at step {@code i}, in {@code x}'s manager. */
    public NDArray modelInput(NDArray x, int i) {
        return x.div((float) Math.sqrt(sigmas[i] * sigmas[i] + 1));
    }

    /** {@code x} after step {@code i}, where the model's output is {@code predicted}; in {@code x}'s manager. */
    public NDArray step(NDArray x, NDArray predicted, int i) {
        double difference = sigmas[i + 1] - sigmas[i];
        // dx/dsigma = (x - x_0) / sigma, which is the noise;
        return switch (prediction) {
            case Epsilon -> moved(x, 1, predicted, difference);
            case V -> {
                // and x_0 = x / (sigma^2 + 1) - v sigma / sqrt(sigma^2 + 1).
                double square = sigmas[i] * sigmas[i] + 1;
                yield moved(x, 1 + difference * sigmas[i] / square, predicted, difference / Math.sqrt(square));
            }
        };
    }

    private static NDArray moved(NDArray x, double share, NDArray predicted, double move) {
        try (NDArray kept = x.mul((float) share);
                NDArray added = predicted.mul((float) move)) {
            return kept.add(added);
        }
    }
}
