package training.lora.api;

/** What becomes of the claim that was made for a run when its resource is deleted. */
public enum Retention {
    Delete,
    Retain
}
