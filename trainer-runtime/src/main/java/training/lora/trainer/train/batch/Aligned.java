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
 */
public record Aligned(Told own, Told target, Told empty, NDArray noise, int[] timesteps) {}
