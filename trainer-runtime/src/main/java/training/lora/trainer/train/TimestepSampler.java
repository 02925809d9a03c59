package training.lora.trainer.train;

import java.util.function.DoubleUnaryOperator;
import org.apache.commons.statistics.distribution.NormalDistribution;
import training.lora.api.LossSpec;
import training.lora.trainer.diffusion.NoiseSchedule;
import training.lora.trainer.tensor.Randomness;

/**
 * Timesteps from the distribution that {@code spec.training.loss} asks for, spread evenly: any run of successive samples
 * has them from every part of the distribution, where independent draws leave gaps and heaps. Each sample's timestep by
 * itself is distributed as asked for, so that gradients have the same mean and less variance (Kingma et al. 2021,
 * Variational Diffusion Models, appendix I.1, within a batch; here over batches too).
 */
final class TimestepSampler {
    /** Multiples of the golden ratio's fraction fill the unit interval more evenly than those of any other number. */
    private static final double GOLDEN = (Math.sqrt(5) - 1) / 2;

    private final double[] logSigmas;
    private final double offset;
    private final DoubleUnaryOperator quantile;

    /** @param seed of where the sequence begins */
    TimestepSampler(LossSpec settings, NoiseSchedule schedule, long seed) {
        this.logSigmas = new double[schedule.timesteps()];
        for (int t = 0; t < logSigmas.length; t++) {
            logSigmas[t] = Math.log(schedule.sigma(t));
        }
        this.offset = Randomness.generator(seed, 0, "timestep").nextDouble();
        this.quantile = quantile(settings);
    }

    /** Number of timesteps. */
    int count() {
        return logSigmas.length;
    }

    /**
     * A timestep, from 0.
     *
     * @param sample the sample's number in the training
     */
    int at(long sample) {
        double share = offset + sample * GOLDEN;
        return (int) quantile.applyAsDouble(share - Math.floor(share));
    }

    /** The timestep below which a share of them lies. */
    private DoubleUnaryOperator quantile(LossSpec settings) {
        return switch (settings.timesteps()) {
            case Uniform -> share -> share * count();
            // The schedule's time goes with the logistic function of a normal variable (Esser et al. 2024).
            case LogitNormal -> {
                NormalDistribution normal = normal(settings);
                yield share ->
                        Math.min(count() / (1 + Math.exp(-normal.inverseCumulativeProbability(share))), count() - 1);
            }
            // ln sigma is normal (EDM, Karras et al. 2022); the timestep is the one whose ln sigma is nearest.
            case LogNormalSigma -> {
                NormalDistribution normal = normal(settings);
                yield share -> nearest(normal.inverseCumulativeProbability(share));
            }
        };
    }

    private static NormalDistribution normal(LossSpec settings) {
        return NormalDistribution.of(settings.meanOfTimesteps(), settings.deviationOfTimesteps());
    }

    /** Sigma rises with the timestep. */
    private int nearest(double logSigma) {
        int below = 0;
        int above = logSigmas.length - 1;
        while (above - below > 1) {
            int middle = (below + above) / 2;
            if (logSigmas[middle] <= logSigma) {
                below = middle;
            } else {
                above = middle;
            }
        }
        return logSigma - logSigmas[below] <= logSigmas[above] - logSigma ? below : above;
    }
}
