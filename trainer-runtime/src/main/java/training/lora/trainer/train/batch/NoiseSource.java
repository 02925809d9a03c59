package training.lora.trainer.train.batch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import training.lora.api.LossSpec;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.TorchScript;

/** Draws the noise of batches: normal, and what {@code spec.training.loss} adds to it. */
final class NoiseSource {
    /** Coarser levels end there, as in kohya's trainer. */
    private static final int PYRAMID_LEVELS = 6;

    private static final TorchScript SCALED_ADD =
            TorchScript.compile("x, y, k", "return torch.add_(x, torch.mul(y, k))");

    private static final TorchScript ADD_LEVEL = TorchScript.compile("x, y, k", """
            size = [torch.size(x, 2), torch.size(x, 3)]
            return torch.add_(x, torch.mul(torch.upsample_bilinear2d(y, size, False, None), k))
            """);

    private static final TorchScript NORMALISE = TorchScript.compile("x", "return torch.div(x, torch.std(x))");

    private final LossSpec settings;
    private final long seed;

    NoiseSource(LossSpec settings, long seed) {
        this.settings = settings;
        this.seed = seed;
    }

    /**
     * The noise that is predicted. Offset noise adds one number to each channel of a sample; pyramid noise adds levels of
     * ever fewer and larger patches (multiresolution noise), and brings the whole batch back to a deviation of 1.
     *
     * @param index the batch's number
     * @param set distinguishes batches of one number
     * @param shape (B, C, h, w)
     */
    NDArray noise(long index, String set, Shape shape, NDManager scope) {
        NDArray noise = normal(index, set + "noise", shape, scope);
        if (settings.offsetNoise() > 0) {
            NDArray offset = normal(index, set + "offset", new Shape(shape.get(0), shape.get(1), 1, 1), scope);
            add(SCALED_ADD, noise, offset, settings.offsetNoise(), scope);
        }
        if (settings.pyramidNoise() > 0) {
            var sizes = Randomness.generator(seed, index, set + "pyramid");
            boolean coarser = true;
            for (int i = 0; i < PYRAMID_LEVELS && coarser; i++) {
                double ratio = Math.pow(sizes.nextDouble(2, 4), i);
                long height = Math.max(1, (long) (shape.get(2) / ratio));
                long width = Math.max(1, (long) (shape.get(3) / ratio));
                Shape level = new Shape(shape.get(0), shape.get(1), height, width);
                NDArray patches = normal(index, set + "pyramid/" + i, level, scope);
                addLevel(noise, patches, Math.pow(settings.pyramidNoise(), i), scope);
                coarser = height > 1 && width > 1;
            }
            return normalised(noise, scope);
        }
        return noise;
    }

    /** Adds a level (B, C, a, b), spread over all of {@code noise} (B, C, h, w), in place. */
    static void addLevel(NDArray noise, NDArray level, double weight, NDManager scope) {
        add(ADD_LEVEL, noise, level, weight, scope);
    }

    /** {@code noise} with a deviation of 1. */
    static NDArray normalised(NDArray noise, NDManager scope) {
        return NORMALISE.call(scope, noise);
    }

    /**
     * The noise that the denoiser's input has: under input perturbation more than {@code noise}, which it is to predict.
     *
     * @param noise what {@link #noise} gave for the same batch
     */
    NDArray ofInput(NDArray noise, long index, String set, NDManager scope) {
        if (settings.inputPerturbation() == 0) {
            return noise;
        }
        NDArray more = normal(index, set + "perturbation", noise.getShape(), scope);
        NDArray perturbed = noise.duplicate();
        perturbed.attach(scope);
        add(SCALED_ADD, perturbed, more, settings.inputPerturbation(), scope);
        return perturbed;
    }

    private NDArray normal(long index, String purpose, Shape shape, NDManager scope) {
        return Randomness.normal(scope, Randomness.derive(seed, index, purpose), shape);
    }

    private static void add(TorchScript how, NDArray to, NDArray what, double weight, NDManager scope) {
        try (NDArray k = scope.create((float) weight)) {
            how.call(scope, to, what, k);
        }
    }
}
