package training.lora.api;

/** How weights in bf16 are moved by steps that are smaller than bf16's. */
public enum Bf16Weights {
    /** They are rounded by chance, so that the mean is right. */
    StochasticRounding,
    /** Beside them is a copy in fp32, which moves, and of which they are roundings. */
    Fp32Master
}
