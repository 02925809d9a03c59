package training.lora.trainer.train.optimizer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.Map;
import training.lora.trainer.tensor.Template;
import training.lora.trainer.tensor.TorchScript;

/**
 * An exponential moving average of parameters, as diffusers' EMAModel computes it: a -= (1 - d) (a - p), where d is 0 after
 * the first step and rises with t as (1 + t) / (10 + t) up to the decay, so that the beginning is forgotten.
 *
 * @param values (n), fp32, at first the parameters
 * @param decay the highest d, from 0 to below 1
 */
record MovingAverage(NDArray values, double decay) {
    /** a: average, p: parameters, c: 1 - d; in tiles, so that what is made on the way is small. */
    private static final TorchScript STEP =
            TorchScript.compile("a, p, c", Template.fill("""
            for i in range(torch.floordiv(torch.add(torch.size(p, 0), {short}), {tile})):
             i0 = torch.mul(i, {tile})
             i1 = torch.add(i0, {tile})
             ai = torch.slice(a, 0, i0, i1)
             _0 = torch.sub_(ai, torch.mul_(torch.sub(ai, torch.slice(p, 0, i0, i1)), c))
            return c
            """, Map.of("short", AdamW.TILE - 1, "tile", AdamW.TILE)));

    /** d of the step before which {@code done} steps were made. */
    static double decay(double highest, int done) {
        return done == 0 ? 0 : Math.min(highest, (1.0 + done) / (10 + done));
    }

    /**
     * Takes in the parameters of a step.
     *
     * @param done steps made before it
     */
    void step(NDArray parameters, int done, NDManager scope) {
        try (NDArray rest = scope.create((float) (1 - decay(decay, done)))) {
            STEP.call(scope, values, parameters, rest).close();
        }
    }
}
