package training.lora.trainer.train.batch;

import ai.djl.ndarray.NDArray;
import io.soabase.recordbuilder.core.RecordBuilder;
import org.jspecify.annotations.Nullable;

/**
 * What one pass forward and backward trains on. B samples, C latent channels, h x w latents, S tokens of width D.
 *
 * @param latents x_0 (B, C, h, w)
 * @param noise eps (B, C, h, w): what is predicted, or part of it
 * @param inputNoise the noise in x_t (B, C, h, w), which under input perturbation is more than eps
 * @param timesteps B timesteps
 * @param told texts, embedded or not, and what else the denoiser is told
 * @param weights B factors of the samples' losses
 * @param mask how much each place of a sample counts (B, 1, h, w), from 0 to 1; null: all of them alike
 * @param empty what is told with the empty text in the place of captions; null where nothing asks for it
 * @param kept what is told with texts whose predictions are kept in their place; null where there are none
 * @param aligned what it is aligned with; null where it is with nothing
 */
@RecordBuilder
public record Batch(
        NDArray latents,
        NDArray noise,
        NDArray inputNoise,
        int[] timesteps,
        Told told,
        float[] weights,
        @Nullable NDArray mask,
        @Nullable Told empty,
        @Nullable Told kept,
        @Nullable Aligned aligned) {}
