package training.lora.trainer.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.List;
import training.lora.api.LossSpec;
import training.lora.api.LossWeighting;
import training.lora.api.OptimizerSpec;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.diffusion.NoiseSchedule;
import training.lora.trainer.model.Conditioning;
import training.lora.trainer.model.ProjectionDeltas;
import training.lora.trainer.model.UNet;
import training.lora.trainer.tensor.TorchScript;

/**
 * One step of training: noise, prediction, loss, gradient, optimizer. Losses and norms stay in native memory until
 * {@link #drain}, so that a step waits for nothing. B samples, C latent channels, h x w latents, S tokens of width D.
 */
final class LoraStep implements AutoCloseable {
    /** Steps whose losses are kept before they must be drained. */
    static final int CAPACITY = 64;

    /** Mean over a sample's elements, times the sample's weight, mean over the batch; and the gradient of p. */
    private static final TorchScript LOSS = TorchScript.compile(
            List.of("p", "e", "w"),
            List.of(
                    "d = torch.sub(p, e)",
                    "l = torch.mean(torch.mul(torch.mean(torch.mul(d, d), [1, 2, 3]), w))",
                    "g = torch.mul(d, torch.reshape(torch.mul(w, torch.div(2., torch.numel(p))), [-1, 1, 1, 1]))",
                    "return (l, g)"),
            2);

    private static final TorchScript RECORD = TorchScript.compile("log, at, loss, norm", """
            return torch.index_copy_(log, 0, at, torch.unsqueeze(torch.stack([loss, norm]), 0))
            """);

    /**
     * What was measured of a step.
     *
     * @param loss the batch's weighted loss
     * @param gradientNorm 2-norm of the gradient before it was scaled
     */
    record Measured(double loss, double gradientNorm) {}

    private final UNet unet;
    private final LoraAdapter adapter;
    private final NoiseSchedule schedule;
    private final LossSpec loss;
    private final NDManager manager;
    private final AdamW optimizer;
    private final NDArray log;
    private int recorded;

    LoraStep(
            UNet unet,
            LoraAdapter adapter,
            NoiseSchedule schedule,
            LossSpec loss,
            OptimizerSpec optimizer,
            NDManager parent) {
        this.unet = unet;
        this.adapter = adapter.trainable();
        this.schedule = schedule;
        this.loss = loss;
        this.manager = parent.newSubManager();
        this.optimizer = new AdamW(adapter.parameters(), optimizer, manager);
        this.log = manager.zeros(new Shape(CAPACITY, 2));
    }

    /**
     * Trains on a batch.
     *
     * @param latents x_0 (B, C, h, w)
     * @param noise eps (B, C, h, w)
     * @param timesteps B timesteps
     * @param context text embeddings (B, S, D), and what else the denoiser is told
     */
    void train(
            NDArray latents,
            NDArray noise,
            int[] timesteps,
            Conditioning context,
            double learningRate,
            NDManager scope) {
        NDArray noisy = schedule.addNoise(latents, noise, timesteps); // (B, C, h, w)
        ProjectionDeltas deltas = adapter.bind(scope, optimizer.steps());
        UNet.Recording recording = unet.record(noisy, times(timesteps, scope), context, deltas);
        NDList lossAndGradient = LOSS.callAll(scope, recording.output(), noise, weights(timesteps, scope));
        recording.backward(lossAndGradient.get(1));
        NDArray norm = optimizer.step(adapter.gradient(), learningRate, scope);
        try (NDArray at = scope.create(new long[] {recorded}, new Shape(1))) {
            RECORD.call(scope, log, at, lossAndGradient.get(0), norm);
        }
        recorded++;
    }

    /** The loss of a batch under the adapter, a scalar in {@code scope}. */
    NDArray loss(NDArray latents, NDArray noise, int[] timesteps, Conditioning context, NDManager scope) {
        NDArray noisy = schedule.addNoise(latents, noise, timesteps); // (B, C, h, w)
        NDArray predicted = unet.forward(noisy, times(timesteps, scope), context, adapter.bind(scope));
        return LOSS.callAll(scope, predicted, noise, weights(timesteps, scope)).get(0);
    }

    private static NDArray times(int[] timesteps, NDManager scope) {
        float[] times = new float[timesteps.length];
        for (int i = 0; i < times.length; i++) {
            times[i] = timesteps[i];
        }
        return scope.create(times, new Shape(times.length));
    }

    private NDArray weights(int[] timesteps, NDManager scope) {
        float[] weights = new float[timesteps.length];
        for (int i = 0; i < weights.length; i++) {
            weights[i] = (float) weight(timesteps[i]);
        }
        return scope.create(weights, new Shape(weights.length));
    }

    private double weight(int timestep) {
        return loss.weighting() == LossWeighting.MinSnr ? schedule.minSnrWeight(timestep, loss.minSnrGamma()) : 1;
    }

    /** The optimizer, which holds all that the next step depends on. */
    AdamW optimizer() {
        return optimizer;
    }

    /** Whether {@link #drain} must come before the next step. */
    boolean full() {
        return recorded == CAPACITY;
    }

    /** Reads what the steps since the last call measured; waits for them. */
    List<Measured> drain() {
        float[] values = log.toFloatArray();
        List<Measured> measured = new ArrayList<>();
        for (int i = 0; i < recorded; i++) {
            measured.add(new Measured(values[2 * i], values[2 * i + 1]));
        }
        recorded = 0;
        return measured;
    }

    @Override
    public void close() {
        manager.close();
    }
}
