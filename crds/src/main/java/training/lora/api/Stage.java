package training.lora.api;

/** The stages of a run, in their order. */
public enum Stage {
    Prepare,
    Train,
    Evaluate
}
