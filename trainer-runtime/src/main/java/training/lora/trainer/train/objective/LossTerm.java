package training.lora.trainer.train.objective;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;

/**
 * How far a prediction is from its target, with the gradient that the network's backward pass begins from. B samples, C
 * latent channels, h x w latents.
 */
public interface LossTerm {
    /**
     * The loss of a batch: the sum over its elements of a distance times what each element counts.
     *
     * @param prediction (B, C, h, w)
     * @param target (B, C, h, w)
     * @param shares what an element counts (B, 1, h, w) or (B, 1, 1, 1); over all elements they add up to the mean weight
     * @param timesteps B timesteps
     * @return in {@code scope}
     */
    Value of(NDArray prediction, NDArray target, NDArray shares, int[] timesteps, NDManager scope);

    /**
     * A loss.
     *
     * @param loss a scalar
     * @param gradient its derivative by the prediction (B, C, h, w), or by what else it is of
     */
    record Value(NDArray loss, NDArray gradient) {}
}
