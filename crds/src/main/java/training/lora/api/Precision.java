package training.lora.api;

/** The number format of frozen weights and activations. */
public enum Precision {
    BFloat16,
    Float32
}
