package training.lora.api;

/** Where masks come from. */
public enum MaskSource {
    /** Every part of a picture counts. */
    None,
    /** The picture's alpha channel. */
    Alpha,
    /** A picture beside it. */
    Files;

    /** Whether a model makes them. */
    public boolean modelled() {
        return false;
    }
}
