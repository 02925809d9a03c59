package training.lora.trainer.train.optimizer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.List;
import java.util.Map;
import training.lora.api.OptimizerSpec;
import training.lora.trainer.tensor.Template;
import training.lora.trainer.tensor.TorchScript;

/**
 * AdamW (Loshchilov and Hutter 2019) over one flat array, as torch.optim.AdamW does it: decay first, bias corrections of
 * each group's own steps, epsilon outside the root. All of it is one native call.
 */
final class AdamW extends Optimizer {
    private static final double EPSILON = 1e-8;

    /** Parameters that are moved at a time, so that what is made on the way is small and stays in the cache. */
    static final int TILE = 1 << 18;

    /** Numbers of a step before those of groups. */
    private static final int SHARED = 4;

    /** Numbers of a step that each group has. */
    private static final int OWN = 3;

    /**
     * Moves tiles of p: parameters, by g: gradient, with m and v: moments, all (n); k: the step's numbers, of which three are
     * a group's: the root of its second moment's correction, what its parameters decay to, and its rate. For each tile
     * {starts}, {ends} and {groups} tell where it lies and where its group's numbers begin.
     */
    private static final String MOVE = """
            starts = [{starts}]
            ends = [{ends}]
            groups = [{groups}]
            for i in range({count}):
             i0 = starts[i]
             i1 = ends[i]
             q = groups[i]
             gi = torch.slice(g, 0, i0, i1)
             mi = torch.lerp_(torch.slice(m, 0, i0, i1), gi, k[1])
             vi = torch.mul_(torch.slice(v, 0, i0, i1), k[2])
             _1 = torch.add_(vi, torch.mul_(torch.mul(gi, gi), k[3]))
             d = torch.add_(torch.mul_(torch.sqrt(vi), k[q]), {epsilon})
             pi = torch.mul_(torch.slice(p, 0, i0, i1), k[torch.add(q, 1)])
             _2 = torch.sub_(pi, torch.mul_(torch.div(mi, d), k[torch.add(q, 2)]))
            _3 = torch.zero_(g)
            return n
            """;

    private final OptimizerSpec settings;
    private final NDArray firstMoment;
    private final NDArray secondMoment;

    /** @param parameters (n), fp32 */
    AdamW(ParameterTable table, NDArray parameters, OptimizerSpec settings, NDManager parent) {
        super(table, parameters, parent);
        this.settings = settings;
        this.firstMoment = zeros("firstMoment");
        this.secondMoment = zeros("secondMoment");
    }

    @Override
    TorchScript compile(String clip, List<ParameterTable.Run> moving) {
        return TorchScript.compile(
                "p, g, m, v, c",
                clip + Template.fill(MOVE, Tiles.of(moving, TILE).values(SHARED, OWN, Map.of("epsilon", EPSILON))));
    }

    @Override
    NDArray move(NDArray gradient, Rates rates, NDManager scope) {
        StepNumbers numbers = new StepNumbers(
                settings.greatestGradientNorm(),
                1 - settings.firstDecay(),
                settings.secondDecay(),
                1 - settings.secondDecay());
        table.each(rates, (group, rate, step) -> {
            double correction1 = 1 - Math.pow(settings.firstDecay(), step);
            double correction2 = 1 - Math.pow(settings.secondDecay(), step);
            numbers.add(1 / Math.sqrt(correction2), 1 - rate * group.weightDecay(), rate / correction1);
        });
        try (NDArray constants = numbers.in(scope)) {
            return script(rates).call(scope, parameters, gradient, firstMoment, secondMoment, constants);
        }
    }
}
