package training.lora.api;

/** What a sample is trained on whose caption is left out. */
public enum DropoutRest {
    /** The empty text. */
    Nothing,
    /** The words that call its concept, alone. */
    Trigger
}
