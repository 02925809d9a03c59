package training.lora.api;

/** What kind of thing the pictures of a data set teach. */
public enum ConceptMode {
    Style,
    Object;

    /** What calls {@code trigger} before a caption that does not name it. */
    public String phrase(String trigger) {
        return this == Style ? "in the style of " + trigger : trigger;
    }
}
