package training.lora.api;

/** What rewrites captions for training. */
public enum CleanUp {
    /** Nothing. */
    None,
    /** Rules of ours, about whole words. */
    Rules,
    /** A language model. */
    Model
}
