package training.lora.trainer.train.batch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.dataset.Buckets;
import training.lora.trainer.model.unet.Conditioning;

/** Cached latents and text embeddings, as a step reads them. N samples. */
public interface TrainingData {
    /** N. */
    int size();

    /** Which samples have one size; those that are asked for together must. */
    default Buckets buckets() {
        return Buckets.single(size());
    }

    /** Means of the latents of some samples (B, C, h, w). */
    NDArray means(int[] samples, NDManager scope);

    /** Standard deviations of the latents of some samples (B, C, h, w). */
    NDArray deviations(int[] samples, NDManager scope);

    /** How much each place of the latents of some samples counts (B, 1, h, w); null where there are no masks. */
    default @Nullable NDArray masks(int[] samples, NDManager scope) {
        return null;
    }

    /** Sizes of the pictures of some samples (B, 6), as {@link Conditioning} has them. */
    NDArray timeIds(int[] samples, NDManager scope);

    /** Text embeddings of some samples (B, S, D), of the empty text where {@code empty}, and what else is told of them. */
    Conditioning embeddings(int[] samples, boolean[] empty, NDManager scope);
}
