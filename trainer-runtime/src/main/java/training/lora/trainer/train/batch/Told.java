package training.lora.trainer.train.batch;

import ai.djl.ndarray.NDArray;
import java.util.List;
import training.lora.trainer.model.unet.Conditioning;

/** What the denoiser is told of a batch's B samples. */
public sealed interface Told {
    /** Embedded already, by text encoders that are not trained. */
    record Embedded(Conditioning conditioning) implements Told {}

    /**
     * To be embedded at each step, by text encoders that are trained.
     *
     * @param texts B texts
     * @param timeIds the pictures' sizes (B, 6), which Stable Diffusion 1.x is not told
     */
    record Texts(List<String> texts, NDArray timeIds) implements Told {}
}
