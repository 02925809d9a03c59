package training.lora.trainer.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.train.batch.TrainingData;

/** Random latents with random text, of Stable Diffusion 1.x; masks, where they are {@code masked}, leave all in. */
record RandomData(int size, boolean masked) implements TrainingData {
    @Override
    public NDArray means(int[] samples, NDManager scope) {
        return Randomness.normal(scope, 7, new Shape(samples.length, 4, 8, 8));
    }

    @Override
    public NDArray deviations(int[] samples, NDManager scope) {
        return scope.full(new Shape(samples.length, 4, 8, 8), 0.1f);
    }

    @Override
    public @Nullable NDArray masks(int[] samples, NDManager scope) {
        return masked ? scope.ones(new Shape(samples.length, 1, 8, 8)) : null;
    }

    @Override
    public NDArray timeIds(int[] samples, NDManager scope) {
        throw new AssertionError("Stable Diffusion 1.x is not told of sizes");
    }

    @Override
    public Conditioning embeddings(int[] samples, boolean[] empty, NDManager scope) {
        return Conditioning.of(Randomness.normal(scope, 8, new Shape(samples.length, 5, 24)));
    }
}
