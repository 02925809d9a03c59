package training.lora.api;

/** Where the prompts of an evaluation come from that names none. */
public enum PromptSource {
    BuiltIn,
    Captions
}
