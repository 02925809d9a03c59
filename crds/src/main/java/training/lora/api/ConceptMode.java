package training.lora.api;

/** What kind of thing the pictures of a data set teach. */
public enum ConceptMode {
    Style,
    Object,
    Face;

    /** What calls a concept that must be called, where its maker chose no words. */
    public static final String TRIGGER = "TOK";

    /** Stands for the words that call a concept in captions and prompts. */
    public static final String PLACEHOLDER = "<concept>";

    /** What calls {@code trigger} before a caption that does not name it. */
    public String phrase(String trigger) {
        return this == Style ? "in the style of " + trigger : trigger;
    }
}
