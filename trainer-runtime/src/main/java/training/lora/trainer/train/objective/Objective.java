package training.lora.trainer.train.objective;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.Arrays;
import training.lora.api.LossSpec;
import training.lora.trainer.diffusion.NoiseSchedule;
import training.lora.trainer.tensor.HostNumbers;
import training.lora.trainer.tensor.TorchScript;
import training.lora.trainer.train.batch.Batch;
import training.lora.trainer.train.batch.BatchBuilder;

/**
 * What is minimised: the distance of the prediction from its target, the true noise or velocity; its mean over a sample's
 * elements times the weights of the sample and of its timestep; its mean over the step's samples. Under a mask the mean over a
 * sample's elements is weighted by it: sum(distance * mask) / sum(mask), so that a small subject counts as much as a large
 * one. B samples, C latent channels, h x w latents.
 */
public final class Objective {
    /** A mask with a smaller sum is empty. */
    private static final double LEAST_AREA = 1e-6;

    /** Each sample's mask divided by its sum; where a mask is empty, its sample counts nothing. w: weights (B, 1, 1, 1). */
    private static final TorchScript MASKED_SHARES = TorchScript.compile("w, m", """
            a = torch.clamp_min(torch.sum(m, [1, 2, 3], True), %s)
            return torch.mul(torch.div(m, a), w)
            """.formatted(LEAST_AREA));

    private static final TorchScript EACH = TorchScript.compile("p, t, w", """
            d = torch.sub(p, t)
            return torch.sum(torch.mul(torch.mul(d, d), w), [1, 2, 3])
            """);

    private final NoiseSchedule schedule;
    private final LossSpec settings;
    private final LossTerm distance;

    public Objective(NoiseSchedule schedule, LossSpec settings) {
        this.schedule = schedule;
        this.settings = settings;
        Double delta = settings.huberDelta();
        this.distance = delta == null ? new SquaredError() : new Huber(schedule, delta);
    }

    /** What the network is given: x_t (B, C, h, w), in {@code scope}. */
    public NDArray noisy(Batch batch, NDManager scope) {
        NDArray noisy = schedule.addNoise(batch.latents(), batch.inputNoise(), batch.timesteps());
        noisy.attach(scope);
        return noisy;
    }

    /**
     * The share of a batch in the loss of a step.
     *
     * @param predicted what the network makes of {@link #noisy} (B, C, h, w)
     * @param samples of all batches of the step
     * @return loss and gradient, in {@code scope}
     */
    public LossTerm.Value of(NDArray predicted, Batch batch, int samples, NDManager scope) {
        NDArray shares = shares(batch, samples, scope);
        return distance.of(predicted, target(batch, scope), shares, batch.timesteps(), scope);
    }

    /**
     * The loss of each sample by itself (B), in {@code scope}: the squared distance, weighted by timestep and mask but not by the
     * sample's weight.
     */
    public NDArray ofEach(NDArray predicted, Batch batch, NDManager scope) {
        float[] alike = new float[batch.weights().length];
        Arrays.fill(alike, 1);
        NDArray shares = shares(BatchBuilder.builder(batch).weights(alike).build(), 1, scope);
        return EACH.call(scope, predicted, target(batch, scope), shares);
    }

    /** What each element counts: (B, 1, 1, 1), or (B, 1, h, w) under a mask. */
    private NDArray shares(Batch batch, int samples, NDManager scope) {
        int[] timesteps = batch.timesteps();
        Shape shape = batch.latents().getShape();
        NDArray mask = batch.mask();
        // A mask's own sum is what divides its sample's elements; channels have one mask.
        long elements = mask == null ? shape.size() / shape.get(0) : shape.get(1);
        float[] shares = new float[timesteps.length];
        for (int i = 0; i < shares.length; i++) {
            shares[i] = (float) (batch.weights()[i] * weight(timesteps[i]) / ((double) elements * samples));
        }
        NDArray column = HostNumbers.floats(scope, shares, new Shape(shares.length, 1, 1, 1));
        return mask == null ? column : MASKED_SHARES.call(scope, column, mask);
    }

    /** What the network should predict (B, C, h, w), in {@code scope}. */
    private NDArray target(Batch batch, NDManager scope) {
        return switch (schedule.prediction()) {
            case Epsilon -> batch.noise();
            case V -> {
                NDArray velocity = schedule.velocity(batch.latents(), batch.noise(), batch.timesteps());
                velocity.attach(scope);
                yield velocity;
            }
        };
    }

    private double weight(int timestep) {
        return TimestepWeight.of(settings, schedule.prediction(), schedule.signalToNoise(timestep));
    }
}
