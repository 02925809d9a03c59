package training.lora.api;

/** What a denoiser predicts: the noise, or the velocity of Salimans and Ho 2022. */
public enum Prediction {
    Epsilon,
    V
}
