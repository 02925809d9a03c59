package training.lora.api;

/** How the loss of a timestep is weighted. */
public enum LossWeighting {
    MinSnr,
    Uniform,
    Debiased
}
