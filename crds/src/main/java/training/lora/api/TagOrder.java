package training.lora.api;

/** The order of a caption's tags. */
public enum TagOrder {
    /** The likeliest first. */
    Probability,
    /** By name. */
    Name
}
