package training.lora.trainer.model.layer;

/** The parts of a Stable Diffusion model that an adapter can change. */
public enum Component {
    UNet("unet"),
    TextEncoder("text_encoder"),
    /** Stable Diffusion XL's second. */
    TextEncoder2("text_encoder_2");

    private final String folder;

    Component(String folder) {
        this.folder = folder;
    }

    /** Its folder in a diffusers model, and its prefix in a diffusers adapter. */
    public String folder() {
        return folder;
    }
}
