package training.lora.trainer.train.optimizer;

import training.lora.api.OptimizerSpec;
import training.lora.api.ScheduleSpec;

/**
 * The learning rate of each step, as the schedules of diffusers and transformers give it: a linear rise from 0, or b (peak
 * / b)^(k / n) in n steps from a rate b, then a fall from the peak to a fraction of it.
 *
 * @param peak the highest rate
 * @param settings warm-up and course
 * @param steps steps in all
 */
public record LearningRateSchedule(double peak, ScheduleSpec settings, int steps) {
    public static LearningRateSchedule of(OptimizerSpec optimizer, int steps) {
        return new LearningRateSchedule(optimizer.highestLearningRate(), optimizer.schedule(), steps);
    }

    /** The rate of step {@code k}, from 0; the first step of a linear warm-up has rate 0. */
    public double at(int k) {
        int warmup = settings.warmupSteps();
        if (k < warmup) {
            Double from = settings.warmupFrom();
            return from == null ? peak * k / warmup : from * Math.pow(peak / from, (double) k / warmup);
        }
        double progress = Math.min(1, (double) (k - warmup) / Math.max(1, steps - warmup));
        double lowest = settings.lowestFraction();
        return peak
                * switch (settings.course()) {
                    case Constant -> 1;
                    case Linear -> above(lowest, 1 - progress);
                    case Cosine -> above(lowest, halfWave(progress));
                    case CosineRestarts ->
                        above(lowest, progress == 1 ? 0 : halfWave(settings.cycles() * progress % 1));
                    case Polynomial -> above(lowest, Math.pow(1 - progress, settings.power()));
                    case Exponential -> Math.pow(lowest, progress);
                };
    }

    private static double above(double lowest, double height) {
        return lowest + (1 - lowest) * height;
    }

    private static double halfWave(double progress) {
        return 0.5 * (1 + Math.cos(Math.PI * progress));
    }
}
