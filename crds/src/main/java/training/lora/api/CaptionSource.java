package training.lora.api;

/** Where captions come from. */
public enum CaptionSource {
    /** Those beside the pictures, else the platform's captioner, else the words that call the concept. */
    Auto,
    /** Those beside the pictures, and nothing else. */
    Sidecar,
    /** BLIP, for pictures that have none beside them. */
    Blip,
    /** Florence-2, for the same. */
    Florence2,
    /** A tagger, for the same. */
    Tagger,
    /** A model behind an API, for the same. */
    OpenAI,
    /** The words that call the concept, whatever lies beside the pictures. */
    None;

    /** Whether a model that the spec names makes them. */
    public boolean modelled() {
        return this == Blip || this == Florence2 || this == Tagger;
    }

    /** Whether something makes them. */
    public boolean made() {
        return modelled() || this == OpenAI;
    }
}
