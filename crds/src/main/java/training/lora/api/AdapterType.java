package training.lora.api;

/** What an adapter puts beside a module's weight. */
public enum AdapterType {
    /** A product of a low rank (Hu et al. 2021). */
    LoRA,
    /** The same and a magnitude of each output, apart from the direction (Liu et al. 2024). */
    DoRA
}
