package training.lora.api;

/** How timesteps are drawn. */
public enum TimestepDistribution {
    Uniform,
    LogitNormal,
    LogNormalSigma,
    LossHistory
}
