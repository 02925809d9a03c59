package training.lora.trainer.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import training.lora.api.OptimizerSpec;
import training.lora.trainer.tensor.TorchScript;

/**
 * AdamW (Loshchilov and Hutter 2019) over one flat array, as torch.optim.AdamW does it: decay first, bias corrections,
 * epsilon outside the root. All of it is one native call.
 */
final class AdamW implements Optimizer {
    private static final double EPSILON = 1e-8;

    /**
     * p: parameters, g: gradient, m and v: moments, all (n); c: the step's numbers, the last of them two a group: what its
     * parameters decay to, and its rate.
     */
    private static final String STEP = """
            k = torch.unbind(c, 0)
            %s
            _2 = torch.lerp_(m, g, k[1])
            _3 = torch.add_(torch.mul_(v, k[2]), torch.mul(torch.mul(g, g), k[3]))
            d = torch.add_(torch.mul_(torch.sqrt(v), k[4]), %s)
            q = torch.div(m, d)
            %s
            _5 = torch.zero_(g)
            return n
            """;

    private final OptimizerSpec settings;
    private final Groups groups;
    private final TorchScript script;
    private final NDManager manager;
    private final NDArray parameters;
    private final NDArray firstMoment;
    private final NDArray secondMoment;
    private int steps;

    /** @param parameters (n), fp32 */
    AdamW(NDArray parameters, Groups groups, OptimizerSpec settings, NDManager parent) {
        this.settings = settings;
        this.groups = groups;
        this.script = TorchScript.compile(
                "p, g, m, v, c",
                STEP.formatted(CLIP.strip(), EPSILON, moves(groups).strip()));
        this.parameters = parameters;
        this.manager = parent.newSubManager();
        this.firstMoment = manager.zeros(parameters.getShape());
        this.secondMoment = manager.zeros(parameters.getShape());
    }

    private static String moves(Groups groups) {
        StringBuilder lines = new StringBuilder();
        for (int i = 0; i < groups.factors().size(); i++) {
            lines.append("""
                    p%1$d = torch.mul_(%2$s, k[%4$d])
                    q%1$d = torch.sub_(%2$s, torch.mul_(%3$s, k[%5$d]))
                    """.formatted(i, groups.part("p", i), groups.part("q", i), 5 + 2 * i, 6 + 2 * i));
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

    @Override
    public Map<String, NDArray> state() {
        Map<String, NDArray> state = new LinkedHashMap<>();
        state.put("parameters", parameters);
        state.put("firstMoment", firstMoment);
        state.put("secondMoment", secondMoment);
        return state;
    }

    @Override
    public void restore(Map<String, NDArray> state, int done) {
        Optimizer.copy(state(), state);
        steps = done;
    }

    @Override
    public void close() {
        manager.close();
    }
}
