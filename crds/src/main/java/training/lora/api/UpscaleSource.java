package training.lora.api;

/** How small pictures are enlarged. */
public enum UpscaleSource {
    /** With sizing Buckets not at all; with the others by Lanczos' filter. */
    None,
    /** By Lanczos' filter. */
    Lanczos,
    /** By a Swin2SR model, and the rest of the way by Lanczos' filter. */
    Swin2SR
}
