package training.lora.api;

/** How a gradient moves the adapter. */
public enum OptimizerType {
    AdamW,
    Prodigy
}
