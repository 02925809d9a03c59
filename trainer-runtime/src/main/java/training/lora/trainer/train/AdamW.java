package training.lora.trainer.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.LinkedHashMap;
import java.util.Map;
import training.lora.api.OptimizerSpec;
import training.lora.trainer.tensor.TorchScript;

/**
 * AdamW (Loshchilov and Hutter 2019) over one flat array, as torch.optim.AdamW does it: decay first, bias corrections,
 * epsilon outside the root. All of it is one native call.
 */
final class AdamW implements Optimizer {
    private static final double EPSILON = 1e-8;

    /** p: parameters, g: gradient, m and v: moments, all (n); c: the step's numbers. */
    private static final TorchScript STEP = TorchScript.compile("p, g, m, v, c", """
            k = torch.unbind(c, 0)
            %s
            _1 = torch.mul_(p, k[1])
            _2 = torch.lerp_(m, g, k[2])
            _3 = torch.add_(torch.mul_(v, k[3]), torch.mul(torch.mul(g, g), k[4]))
            d = torch.add_(torch.mul_(torch.sqrt(v), k[5]), %s)
            _4 = torch.sub_(p, torch.mul_(torch.div(m, d), k[6]))
            _5 = torch.zero_(g)
            return n
            """.formatted(CLIP.strip(), EPSILON));

    private final OptimizerSpec settings;
    private final NDManager manager;
    private final NDArray parameters;
    private final NDArray firstMoment;
    private final NDArray secondMoment;
    private int steps;

    /** @param parameters (n), fp32 */
    AdamW(NDArray parameters, OptimizerSpec settings, NDManager parent) {
        this.settings = settings;
        this.parameters = parameters;
        this.manager = parent.newSubManager();
        this.firstMoment = manager.zeros(parameters.getShape());
        this.secondMoment = manager.zeros(parameters.getShape());
    }

    @Override
    public NDArray step(NDArray gradient, double learningRate, NDManager scope) {
        steps++;
        double correction1 = 1 - Math.pow(settings.beta1(), steps);
        double correction2 = 1 - Math.pow(settings.beta2(), steps);
        float[] numbers = {
            settings.maxGradientNorm().floatValue(),
            (float) (1 - learningRate * settings.weightDecay()),
            (float) (1 - settings.beta1()),
            settings.beta2().floatValue(),
            (float) (1 - settings.beta2()),
            (float) (1 / Math.sqrt(correction2)),
            (float) (learningRate / correction1)
        };
        try (NDArray constants = scope.create(numbers, new Shape(numbers.length))) {
            return STEP.call(scope, parameters, gradient, firstMoment, secondMoment, constants);
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
