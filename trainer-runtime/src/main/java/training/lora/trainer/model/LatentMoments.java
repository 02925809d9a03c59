package training.lora.trainer.model;

import ai.djl.ndarray.NDArray;

/**
 * The distribution of a picture's latents, both times the autoencoder's scaling factor.
 *
 * @param mean (B, C, h, w)
 * @param std (B, C, h, w)
 */
public record LatentMoments(NDArray mean, NDArray std) implements AutoCloseable {
    @Override
    public void close() {
        mean.close();
        std.close();
    }
}
