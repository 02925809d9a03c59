package training.lora.api;

/** How a stage ended. */
public enum Outcome {
    Succeeded,
    Failed
}
