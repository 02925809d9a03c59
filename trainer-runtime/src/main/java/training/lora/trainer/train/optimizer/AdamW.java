package training.lora.trainer.train.optimizer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import training.lora.api.OptimizerSpec;
import training.lora.trainer.tensor.Template;
import training.lora.trainer.tensor.TorchScript;

/**
 * AdamW (Loshchilov and Hutter 2019) over one flat array, as torch.optim.AdamW does it: decay first, bias corrections,
 * epsilon outside the root. All of it is one native call.
 */
final class AdamW extends Optimizer {
    private static final double EPSILON = 1e-8;

    /** Parameters that are moved at a time, so that what is made on the way is small and stays in the cache. */
    private static final int TILE = 1 << 18;

    /**
     * Moves one group. p: parameters, g: gradient, m and v: moments, all of the group's size; k: the step's numbers, of
     * which two are the group's: what its parameters decay to, and its rate.
     */
    private static final String MOVE = """
            s = torch.size({p}, 0)
            for i in range(torch.floordiv(torch.add(s, {short}), {tile})):
             i0 = torch.mul(i, {tile})
             i1 = torch.add(i0, {tile})
             gi = torch.slice({g}, 0, i0, i1)
             mi = torch.lerp_(torch.slice({m}, 0, i0, i1), gi, k[1])
             vi = torch.mul_(torch.slice({v}, 0, i0, i1), k[2])
             _1 = torch.add_(vi, torch.mul_(torch.mul(gi, gi), k[3]))
             d = torch.add_(torch.mul_(torch.sqrt(vi), k[4]), {epsilon})
             pi = torch.mul_(torch.slice({p}, 0, i0, i1), k[{decay}])
             _2 = torch.sub_(pi, torch.mul_(torch.div(mi, d), k[{rate}]))
            """;

    private final OptimizerSpec settings;
    private final Groups groups;
    private final TorchScript script;
    private final NDArray firstMoment;
    private final NDArray secondMoment;

    /** @param parameters (n), fp32 */
    AdamW(NDArray parameters, Groups groups, OptimizerSpec settings, NDManager parent) {
        super(parameters, parent);
        this.settings = settings;
        this.groups = groups;
        this.script = TorchScript.compile(
                "p, g, m, v, c", "k = torch.unbind(c, 0)\n" + CLIP + moves(groups) + "_3 = torch.zero_(g)\nreturn n");
        this.firstMoment = zeros("firstMoment");
        this.secondMoment = zeros("secondMoment");
    }

    private static String moves(Groups groups) {
        StringBuilder lines = new StringBuilder();
        for (int i = 0; i < groups.factors().size(); i++) {
            lines.append(Template.fill(
                    MOVE,
                    Map.of(
                            "short",
                            TILE - 1,
                            "p",
                            groups.part("p", i),
                            "g",
                            groups.part("g", i),
                            "m",
                            groups.part("m", i),
                            "v",
                            groups.part("v", i),
                            "tile",
                            TILE,
                            "epsilon",
                            EPSILON,
                            "decay",
                            5 + 2 * i,
                            "rate",
                            6 + 2 * i)));
        }
        return lines.toString();
    }

    @Override
    public NDArray step(NDArray gradient, double learningRate, NDManager scope) {
        steps++;
        double correction1 = 1 - Math.pow(settings.beta1(), steps);
        double correction2 = 1 - Math.pow(settings.beta2(), steps);
        List<Double> factors = groups.factors();
        float[] numbers = Arrays.copyOf(
                new float[] {
                    settings.maxGradientNorm().floatValue(),
                    (float) (1 - settings.beta1()),
                    settings.beta2().floatValue(),
                    (float) (1 - settings.beta2()),
                    (float) (1 / Math.sqrt(correction2))
                },
                5 + 2 * factors.size());
        for (int i = 0; i < factors.size(); i++) {
            double rate = factors.get(i) * learningRate;
            numbers[5 + 2 * i] = (float) (1 - rate * settings.weightDecay());
            numbers[6 + 2 * i] = (float) (rate / correction1);
        }
        try (NDArray constants = scope.create(numbers, new Shape(numbers.length))) {
            return script.call(scope, parameters, gradient, firstMoment, secondMoment, constants);
        }
    }
}
