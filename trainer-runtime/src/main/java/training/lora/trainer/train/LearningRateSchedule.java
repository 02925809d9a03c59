package training.lora.trainer.train;

import training.lora.api.OptimizerSpec;
import training.lora.api.ScheduleType;

/**
 * The learning rate of each step, as diffusers' get_cosine_schedule_with_warmup and get_constant_schedule_with_warmup
 * give it: a linear rise from 0, then half a cosine to 0 or a constant.
 *
 * @param peak the highest rate
 * @param type its course after the rise
 * @param warmupSteps steps of the rise; the first of them has rate 0
 * @param steps steps in all
 */
record LearningRateSchedule(double peak, ScheduleType type, int warmupSteps, int steps) {
    static LearningRateSchedule of(OptimizerSpec optimizer, int steps) {
        return new LearningRateSchedule(
                optimizer.learningRate(),
                optimizer.schedule().type(),
                optimizer.schedule().warmupSteps(),
                steps);
    }

    /** The rate of step {@code k}, from 0. */
    double at(int k) {
        if (k < warmupSteps) {
            return peak * k / warmupSteps;
        }
        return switch (type) {
            case Constant -> peak;
            case Cosine -> {
                double progress = (double) (k - warmupSteps) / Math.max(1, steps - warmupSteps);
                yield peak * Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)));
            }
        };
    }
}
