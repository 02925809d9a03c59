package training.lora.trainer.model.basemodel;

/** The networks of a base model, each of which has a folder of its own in diffusers' form. */
public enum Part {
    UNet("unet", "diffusion_pytorch_model"),
    Vae("vae", "diffusion_pytorch_model"),
    TextEncoder("text_encoder", "model"),
    TextEncoder2("text_encoder_2", "model");

    private final String folder;
    private final String stem;

    Part(String folder, String stem) {
        this.folder = folder;
        this.stem = stem;
    }

    String folder() {
        return folder;
    }

    /** Name of the weights' file without its ending. */
    String stem() {
        return stem;
    }
}
