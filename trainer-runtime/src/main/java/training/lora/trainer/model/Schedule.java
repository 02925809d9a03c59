package training.lora.trainer.model;

/**
 * What scheduler_config.json says of the noise.
 *
 * @param trainTimesteps number of timesteps
 * @param betaStart first beta
 * @param betaEnd last beta
 * @param betas course of beta between them
 * @param spacing how a sampler picks its timesteps
 * @param stepsOffset added to the timesteps of leading spacing
 */
public record Schedule(
        int trainTimesteps, double betaStart, double betaEnd, Betas betas, Spacing spacing, int stepsOffset) {
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
