package training.lora.trainer.model.basemodel;

import java.util.stream.Stream;

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

    /** The network of this folder. */
    public static Part of(String folder) {
        return Stream.of(values())
                .filter(p -> p.folder.equals(folder))
                .findAny()
                .orElseThrow(() -> new IllegalArgumentException(folder + " must be the folder of a network"));
    }

    /** Its folder. */
    public String folder() {
        return folder;
    }

    /** Name of the weights' file without its ending. */
    public String stem() {
        return stem;
    }
}
