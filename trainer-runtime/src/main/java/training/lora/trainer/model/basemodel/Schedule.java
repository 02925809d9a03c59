package training.lora.trainer.model.basemodel;

import io.soabase.recordbuilder.core.RecordBuilder;
import training.lora.api.Prediction;

/**
 * What scheduler_config.json says of the noise.
 *
 * @param trainTimesteps number of timesteps
 * @param betaStart first beta
 * @param betaEnd last beta
 * @param betas course of beta between them
 * @param spacing how a sampler picks its timesteps
 * @param stepsOffset added to the timesteps of leading spacing
 * @param prediction what the denoiser predicts
 * @param zeroTerminalSnr whether betas are rescaled so that the last timestep is pure noise (Lin et al. 2023)
 */
@RecordBuilder
public record Schedule(
        int trainTimesteps,
        double betaStart,
        double betaEnd,
        Betas betas,
        Spacing spacing,
        int stepsOffset,
        Prediction prediction,
        boolean zeroTerminalSnr) {
    /** Of a model that predicts the noise. */
    public Schedule(
            int trainTimesteps, double betaStart, double betaEnd, Betas betas, Spacing spacing, int stepsOffset) {
        this(trainTimesteps, betaStart, betaEnd, betas, spacing, stepsOffset, Prediction.Epsilon, false);
    }

    /** Courses of beta. */
    public enum Betas {
        Linear,
        ScaledLinear
    }

    /** Ways to pick timesteps, in diffusers' words. */
    public enum Spacing {
        Leading,
        Linspace,
        Trailing
    }
}
