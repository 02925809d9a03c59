package training.lora.trainer.train;

import training.lora.api.Prediction;
import training.lora.trainer.diffusion.NoiseSchedule;
import training.lora.trainer.model.Schedule;

/** Noise schedules of tests. */
final class Schedules {
    static final NoiseSchedule STABLE_DIFFUSION = predicting(Prediction.Epsilon);

    private Schedules() {}

    /** Stable Diffusion's noise, for a network that predicts {@code prediction}. */
    static NoiseSchedule predicting(Prediction prediction) {
        return NoiseSchedule.of(new Schedule(
                1000, 0.00085, 0.012, Schedule.Betas.ScaledLinear, Schedule.Spacing.Trailing, 1, prediction, false));
    }
}
