package training.lora.api;

/** How the frozen weights of linear maps and convolutions are kept in memory. */
public enum BaseWeights {
    /** As numbers of the training's precision. */
    Full,
    /** As whole numbers from -127 to 127 with a scale for each output, from which a layer makes its weight each time. */
    Int8,
    /** As 8-bit floating point numbers (e4m3) with a scale for each output, from which a layer makes its weight each time; on cards. */
    Fp8
}
