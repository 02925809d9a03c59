package training.lora.trainer.model.unet;

import ai.djl.ndarray.NDArray;
import org.jspecify.annotations.Nullable;

/**
 * What a denoiser is told beside noisy latents and the time. B pictures, S text tokens of width D.
 *
 * @param context text embedding (B, S, D)
 * @param pooled SDXL: one vector a text (B, P); null in Stable Diffusion 1.x
 * @param timeIds SDXL: a picture's sizes in pixels (B, 6), fp32: original height and width, top and left of the crop,
 *     height and width of what is drawn; null in Stable Diffusion 1.x
 */
public record Conditioning(
        NDArray context, @Nullable NDArray pooled, @Nullable NDArray timeIds) {
    /** A text alone, as Stable Diffusion 1.x takes it. */
    public static Conditioning of(NDArray context) {
        return new Conditioning(context, null, null);
    }
}
