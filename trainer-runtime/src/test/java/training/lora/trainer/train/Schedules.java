package training.lora.trainer.train;

import training.lora.api.Prediction;
import training.lora.trainer.diffusion.NoiseSchedule;
import training.lora.trainer.model.basemodel.Schedule;
import training.lora.trainer.model.basemodel.ScheduleBuilder;

/** Noise schedules of tests. */
public final class Schedules {
    public static final NoiseSchedule STABLE_DIFFUSION = predicting(Prediction.Epsilon);

    private Schedules() {}

    /** Stable Diffusion's noise, for a network that predicts {@code prediction}. */
    public static NoiseSchedule predicting(Prediction prediction) {
        return NoiseSchedule.of(ScheduleBuilder.builder()
                .trainTimesteps(1000)
                .betaStart(0.00085)
                .betaEnd(0.012)
                .betas(Schedule.Betas.ScaledLinear)
                .spacing(Schedule.Spacing.Trailing)
                .stepsOffset(1)
                .prediction(prediction)
                .zeroTerminalSnr(false)
                .build());
    }
}
