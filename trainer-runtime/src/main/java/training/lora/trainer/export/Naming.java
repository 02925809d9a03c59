package training.lora.trainer.export;

/** Whose names a file's tensors have. */
enum Naming {
    /** Paths with {@code _} for dots behind {@code lora_unet_}, {@code lora_te_}, {@code lora_te1_}, {@code lora_te2_}. */
    Kohya("kohya's"),
    /** diffusers' paths behind {@code unet.}, {@code text_encoder.} and {@code text_encoder_2.}, or the denoiser's alone. */
    Diffusers("diffusers'"),
    /** The original code's paths behind {@code diffusion_model.}, and {@code text_encoders.}. */
    ComfyUi("ComfyUI's");

    private final String owner;

    Naming(String owner) {
        this.owner = owner;
    }

    /** For a sentence: whose. */
    String owner() {
        return owner;
    }
}
