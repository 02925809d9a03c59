package training.lora.api;

/** The size that pictures are brought to. */
public enum Sizing {
    /** One square. */
    CenterCrop,
    /** One size of all, with the mean of their ratios of width to height. */
    AverageAspect,
    /** For each picture that of several sizes which its own is nearest to. */
    Buckets
}
