package training.lora.trainer.train.objective;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.List;
import training.lora.trainer.diffusion.NoiseSchedule;
import training.lora.trainer.tensor.TorchScript;

/**
 * 2c (sqrt(d^2 + c^2) - c) of the difference d: d^2 where it is small, 2c |d| where it is large. With sigma the noise
 * beside a signal of scale 1, c = (1 - delta) / (1 + sigma)^2 + delta: delta in pure noise, where outliers are many, and 1
 * without noise (the "snr" schedule of kohya's trainer).
 */
final class Huber implements LossTerm {
    /** sqrt(d^2 + c^2) - c is written as d^2 / (sqrt(d^2 + c^2) + c), which loses no digits where d is small. */
    private static final TorchScript LOSS = TorchScript.compile(
            List.of("p", "e", "w", "c"),
            List.of(
                    "d = torch.sub(p, e)",
                    "q = torch.mul(d, d)",
                    "h = torch.sqrt(torch.add(q, torch.mul(c, c)))",
                    "s = torch.mul(torch.mul(c, 2.), w)",
                    "l = torch.sum(torch.mul(torch.div(q, torch.add(h, c)), s))",
                    "return (l, torch.mul(torch.div(d, h), s))"),
            2);

    private final NoiseSchedule schedule;
    private final double delta;

    Huber(NoiseSchedule schedule, double delta) {
        this.schedule = schedule;
        this.delta = delta;
    }

    @Override
    public Value of(NDArray prediction, NDArray target, NDArray shares, int[] timesteps, NDManager scope) {
        float[] thresholds = new float[timesteps.length];
        for (int i = 0; i < thresholds.length; i++) {
            double spread = 1 + schedule.sigma(timesteps[i]);
            thresholds[i] = (float) ((1 - delta) / (spread * spread) + delta);
        }
        try (NDArray c = scope.create(thresholds, new Shape(thresholds.length, 1, 1, 1))) {
            NDList values = LOSS.callAll(scope, prediction, target, shares, c);
            return new Value(values.get(0), values.get(1));
        }
    }
}
