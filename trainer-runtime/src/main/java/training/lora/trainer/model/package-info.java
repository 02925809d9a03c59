/** Stable Diffusion: its denoiser, autoencoder, prompts and noise schedule, opened as one. */
@NullMarked
package training.lora.trainer.model;

import org.jspecify.annotations.NullMarked;
