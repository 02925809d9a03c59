package training.lora.api;

/** What becomes of a picture that is not safe. */
public enum SafetyAction {
    /** Training pictures are refused; in the place of a sample is a black one. */
    Refuse,
    /** It is told. */
    Flag
}
