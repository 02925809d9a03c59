package training.lora.trainer.train.optimizer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.List;
import java.util.Map;
import training.lora.api.OptimizerSpec;
import training.lora.trainer.tensor.Template;
import training.lora.trainer.tensor.TorchScript;

/**
 * Lion (Chen et al. 2023), as lion-pytorch has it: p decays, then moves by the rate against the sign of b1 m + (1 - b1) g; m
 * becomes b2 m + (1 - b2) g. It keeps one moment.
 */
final class Lion extends Optimizer {
    /** Numbers of a step before those of groups: greatest norm, b1, 1 - b1, b2, 1 - b2. */
    private static final int SHARED = 5;

    /** Numbers of a step that each group has: what its parameters decay to, and its rate. */
    private static final int OWN = 2;

    /** p: parameters, g: gradient, m: moment, all (n); tiles as in {@link Tiles}. */
    private static final String MOVE = """
            starts = [{starts}]
            ends = [{ends}]
            groups = [{groups}]
            for i in range({count}):
             i0 = starts[i]
             i1 = ends[i]
             q = groups[i]
             gi = torch.slice(g, 0, i0, i1)
             mi = torch.slice(m, 0, i0, i1)
             pi = torch.mul_(torch.slice(p, 0, i0, i1), k[q])
             u = torch.sign_(torch.add_(torch.mul(mi, k[1]), torch.mul(gi, k[2])))
             _1 = torch.sub_(pi, torch.mul_(u, k[torch.add(q, 1)]))
             _2 = torch.add_(torch.mul_(mi, k[3]), torch.mul(gi, k[4]))
            _3 = torch.zero_(g)
            return n
            """;

    private final OptimizerSpec settings;
    private final NDArray moment;

    /** @param parameters (n), fp32 */
    Lion(ParameterTable table, NDArray parameters, OptimizerSpec settings, NDManager parent) {
        super(table, parameters, parent);
        this.settings = settings;
        this.moment = zeros("moment");
    }

    @Override
    TorchScript compile(String clip, List<ParameterTable.Run> moving) {
        return TorchScript.compile(
                "p, g, m, c",
                clip + Template.fill(MOVE, Tiles.of(moving, AdamW.TILE).values(SHARED, OWN, Map.of())));
    }

    @Override
    NDArray move(NDArray gradient, Rates rates, NDManager scope) {
        StepNumbers numbers = new StepNumbers(
                settings.greatestGradientNorm(),
                settings.firstDecay(),
                1 - settings.firstDecay(),
                settings.secondDecay(),
                1 - settings.secondDecay());
        table.each(rates, (group, rate, step) -> numbers.add(1 - rate * group.weightDecay(), rate));
        try (NDArray constants = numbers.in(scope)) {
            return script(rates).call(scope, parameters, gradient, moment, constants);
        }
    }
}
