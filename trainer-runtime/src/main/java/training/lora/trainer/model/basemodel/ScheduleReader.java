package training.lora.trainer.model.basemodel;

import training.lora.api.Prediction;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.model.weights.Config;

/** Reads a scheduler_config.json. */
public final class ScheduleReader {
    private ScheduleReader() {}

    /** What {@code config} says of the noise, with what {@code options} say instead. */
    public static Schedule read(Config config, ModelOptions options) {
        config.mustBeAbsent("trained_betas");
        Schedule.Betas betas =
                switch (config.text("beta_schedule", "linear")) {
                    case "linear" -> Schedule.Betas.Linear;
                    case "scaled_linear" -> Schedule.Betas.ScaledLinear;
                    default -> throw config.wrong("beta_schedule", "linear or scaled_linear");
                };
        Prediction prediction = options.prediction() != null
                ? options.prediction()
                : switch (config.text("prediction_type", "epsilon")) {
                    case "epsilon" -> Prediction.Epsilon;
                    case "v_prediction" -> Prediction.V;
                    default -> throw config.wrong("prediction_type", "epsilon or v_prediction");
                };
        boolean told = config.flag("rescale_betas_zero_snr", false);
        boolean zero = options.zeroTerminalSnr() != null ? options.zeroTerminalSnr() : told;
        if (zero && prediction == Prediction.Epsilon) {
            throw new TrainerException(
                    Reason.InvalidBaseModel,
                    "zero-terminal SNR needs prediction V, but the model predicts Epsilon, by " + config.name()
                            + " and `spec.baseModel`: at its last timestep there is no signal to find noise in");
        }
        return ScheduleBuilder.builder()
                .trainTimesteps(config.integer("num_train_timesteps", 1000))
                .betaStart(config.number("beta_start", 0.0001))
                .betaEnd(config.number("beta_end", 0.02))
                .betas(betas)
                .spacing( // Pure noise stands at the last timestep, which leading spacing never visits.
                        zero && !told ? Schedule.Spacing.Trailing : spacing(config))
                .stepsOffset(config.integer("steps_offset", 0))
                .prediction(prediction)
                .zeroTerminalSnr(zero)
                .build();
    }

    private static Schedule.Spacing spacing(Config config) {
        return switch (config.text("timestep_spacing", "leading")) {
            case "leading" -> Schedule.Spacing.Leading;
            case "linspace" -> Schedule.Spacing.Linspace;
            case "trailing" -> Schedule.Spacing.Trailing;
            default -> throw config.wrong("timestep_spacing", "leading, linspace or trailing");
        };
    }
}
