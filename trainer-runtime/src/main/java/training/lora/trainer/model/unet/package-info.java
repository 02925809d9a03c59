/** The denoiser, and what it is told beside noisy latents. */
@NullMarked
package training.lora.trainer.model.unet;

import org.jspecify.annotations.NullMarked;
