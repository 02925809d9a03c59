package training.lora.api;

/** Families of base models. */
public enum ModelFamily {
    /** Stable Diffusion 1.x. */
    SD15,
    /** Stable Diffusion XL. */
    SDXL
}
