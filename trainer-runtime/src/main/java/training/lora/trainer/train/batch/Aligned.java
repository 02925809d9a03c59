package training.lora.trainer.train.batch;

import ai.djl.ndarray.NDArray;

/**
 * What a batch of B samples is aligned with.
 *
 * @param target what the base model is told: the text with the class in the trigger's place
 * @param empty the empty text for it
 * @param own what is trained is told: the text with the trigger
 * @param ownEmpty the empty text for it
 * @param noise of the estimates of clean pictures (B, C, h, w)
 * @param timesteps B timesteps that they are noised to
 * @param factors how much each sample's counts, (B): 1, or 0 for those that show none of what the text calls
 */
public record Aligned(
        Told target, Told empty, Told own, Told ownEmpty, NDArray noise, int[] timesteps, float[] factors) {
    /** Whether it counts for any sample. */
    public boolean any() {
        for (float factor : factors) {
            if (factor != 0) {
                return true;
            }
        }
        return false;
    }
}
