package training.lora.trainer.train.batch;

import java.util.SplittableRandom;
import training.lora.api.LossSpec;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.diffusion.NoiseSchedule;

/** Draws timesteps from the distribution that {@code spec.training.loss} asks for. */
final class TimestepSampler {
    private final LossSpec settings;
    private final double[] logSigmas;
    private final int first;
    private final int count;

    TimestepSampler(LossSpec settings, NoiseSchedule schedule) {
        this.settings = settings;
        this.logSigmas = new double[schedule.timesteps()];
        for (int t = 0; t < logSigmas.length; t++) {
            logSigmas[t] = Math.log(schedule.sigma(t));
        }
        Range range = Range.of(settings, logSigmas.length);
        first = range.first();
        count = range.count();
    }

    /**
     * The timesteps that are trained on.
     *
     * @param first the least
     * @param count how many follow each other
     */
    record Range(int first, int count) {
        /**
         * Those of {@code settings}, of a model with {@code timesteps}.
         *
         * @throws TrainerException InvalidConfiguration if there are none
         */
        static Range of(LossSpec settings, int timesteps) {
            Integer least = settings.minimumTimestep();
            Integer greatest = settings.maximumTimestep();
            int first = least == null ? 0 : least;
            int count = Math.min(greatest == null ? timesteps : greatest + 1, timesteps) - first;
            if (count < 1) {
                throw new TrainerException(
                        Reason.InvalidConfiguration,
                        "`spec.training.loss.minimumTimestep` must be one of the model's %d timesteps, was %d"
                                .formatted(timesteps, first));
            }
            return new Range(first, count);
        }
    }

    /** The timestep at {@code share} of the way through those that are trained on, from 0 to less than 1. */
    int at(double share) {
        return first + (int) (share * count);
    }

    /** A timestep, from 0. */
    int draw(SplittableRandom random) {
        return switch (settings.timesteps()) {
            // By their losses they are drawn from a history; without one they are uniform.
            case Uniform, LossHistory -> first + random.nextInt(count);
            // The schedule's time goes with the logistic function of a normal variable (Esser et al. 2024).
            case LogitNormal -> first + Math.min((int) (count / (1 + Math.exp(-normal(random)))), count - 1);
            // ln sigma is normal (EDM, Karras et al. 2022); the timestep is the one whose ln sigma is nearest.
            case LogNormalSigma -> nearest(normal(random));
        };
    }

    private double normal(SplittableRandom random) {
        return settings.meanOfTimesteps() + settings.deviationOfTimesteps() * random.nextGaussian();
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
