package training.lora.api;

/** What a denoiser predicts. */
public enum Prediction {
    /** The noise. */
    Epsilon,
    /** v = sqrt(abar) noise - sqrt(1 - abar) latents (Salimans and Ho 2022). */
    V
}
