package training.lora.api;

/** What an adapter puts beside a module's weight. */
public enum AdapterType {
    /** A product of a low rank (Hu et al. 2021). */
    LoRA,
    /** The same and a magnitude of each output, apart from the direction (Liu et al. 2024). */
    DoRA,
    /** The product, entry by entry, of two products of a low rank (Hyeon-Woo et al. 2022). */
    LoHa,
    /** A Kronecker product (Yeh et al. 2023). */
    LoKr;

    /** Whether diffusers reads a file of it. */
    boolean ofDiffusers() {
        return this == LoRA || this == DoRA;
    }
}
