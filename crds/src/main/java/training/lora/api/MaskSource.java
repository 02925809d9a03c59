package training.lora.api;

/** Where masks come from. */
public enum MaskSource {
    /** Every part of a picture counts. */
    None,
    /** The picture's alpha channel. */
    Alpha,
    /** A picture beside it. */
    Files,
    /** CLIPSeg, which is told in words what to look for. */
    Segment,
    /** A detector of faces and their outline. */
    Face;

    /** Whether a model makes them. */
    public boolean modelled() {
        return this == Segment || this == Face;
    }
}
