package training.lora.trainer.train.batch;

import ai.djl.ndarray.NDArray;

/**
 * What a batch of B samples is aligned with.
 *
 * @param own what is told with the trigger
 * @param target what is told with the class in its place
 * @param empty the empty text
 * @param noise of the estimates of clean pictures (B, C, h, w)
 * @param timesteps B timesteps that they are noised to
 * @param factors how much each sample's counts, (B): 1, or 0 for those that show none of what the text calls
 */
public record Aligned(Told own, Told target, Told empty, NDArray noise, int[] timesteps, float[] factors) {
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
