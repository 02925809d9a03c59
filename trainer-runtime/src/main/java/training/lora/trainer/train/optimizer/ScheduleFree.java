package training.lora.trainer.train.optimizer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import java.util.List;
import java.util.Map;
import training.lora.api.OptimizerSpec;
import training.lora.trainer.tensor.Template;
import training.lora.trainer.tensor.TorchScript;

/**
 * AdamW without a schedule (Defazio et al. 2024), as schedulefree's AdamWScheduleFree has it: gradients are taken at y, the
 * parameters; z moves by them, and what is put out is their average x, of which y lies a part of the way to z. A warm-up is
 * the schedule's.
 */
final class ScheduleFree extends Optimizer {
    private static final double EPSILON = 1e-8;

    /** Numbers of a step before those of groups: greatest norm, 1 - b2. */
    private static final int SHARED = 2;

    /** Numbers of a step that each group has: rate, 1 / (1 - b2^t), weight decay. */
    private static final int OWN = 3;

    /**
     * y: parameters, z, v: second moment, all (n); g: gradient; e: for each group the sum of weights in the average and the
     * highest rate so far. A step's weight in the average is the square of this rate; tiles as in {@link Tiles}.
     */
    private static final String MOVE = """
            starts = [{starts}]
            ends = [{ends}]
            groups = [{groups}]
            members = [{members}]
            w = torch.unbind(e, 0)
            for j in range({moving}):
             h = members[j]
             h2 = torch.mul(h, 2)
             most = torch.copy_(w[torch.add(h2, 1)], torch.maximum(w[torch.add(h2, 1)], k[torch.add(torch.mul(h, {own}), {shared})]))
             _0 = torch.add_(w[h2], torch.mul(most, most))
            for i in range({count}):
             i0 = starts[i]
             i1 = ends[i]
             q = groups[i]
             s = torch.mul(torch.floordiv(torch.sub(q, {shared}), {own}), 2)
             most = w[torch.add(s, 1)]
             a = torch.where(torch.gt(w[s], 0.), torch.div(torch.mul(most, most), w[s]), w[s])
             gi = torch.slice(g, 0, i0, i1)
             yi = torch.slice(y, 0, i0, i1)
             zi = torch.slice(z, 0, i0, i1)
             vi = torch.mul_(torch.slice(v, 0, i0, i1), {beta2})
             _1 = torch.add_(vi, torch.mul_(torch.mul(gi, gi), k[1]))
             d = torch.add_(torch.sqrt_(torch.mul(vi, k[torch.add(q, 1)])), {epsilon})
             u = torch.add_(torch.div(gi, d), torch.mul(yi, k[torch.add(q, 2)]))
             _2 = torch.lerp_(yi, zi, a)
             x = torch.mul(k[q], torch.sub(torch.mul(torch.rsub(a, 1.), {beta1}), 1.))
             _3 = torch.add_(yi, torch.mul(u, x))
             _4 = torch.sub_(zi, torch.mul_(u, k[q]))
            _5 = torch.zero_(g)
            return n
            """;

    private final OptimizerSpec settings;
    private final NDArray z;
    private final NDArray secondMoment;
    private final NDArray weights;
    private final AveragedCopy copy;

    /** @param parameters (n), fp32 */
    ScheduleFree(ParameterTable table, NDArray parameters, OptimizerSpec settings, NDManager parent) {
        super(table, parameters, parent);
        this.settings = settings;
        this.z = keep("z", parameters.duplicate());
        this.secondMoment = zeros("secondMoment");
        this.weights = zeros("weights", 2L * table.groups().size(), DataType.FLOAT32);
        this.copy = new AveragedCopy(parameters.duplicate(), settings.firstDecay());
        own(copy.values());
    }

    @Override
    TorchScript compile(String clip, List<ParameterTable.Run> moving) {
        List<Integer> members =
                moving.stream().map(ParameterTable.Run::group).distinct().toList();
        return TorchScript.compile(
                "y, z, g, v, e, c",
                clip
                        + Template.fill(
                                MOVE,
                                Tiles.of(moving, AdamW.TILE)
                                        .values(
                                                SHARED,
                                                OWN,
                                                Map.of(
                                                        "members",
                                                        Tiles.list(members, i -> i),
                                                        "moving",
                                                        members.size(),
                                                        "shared",
                                                        SHARED,
                                                        "own",
                                                        OWN,
                                                        "beta1",
                                                        settings.firstDecay(),
                                                        "beta2",
                                                        settings.secondDecay(),
                                                        "epsilon",
                                                        EPSILON))));
    }

    @Override
    NDArray move(NDArray gradient, Rates rates, NDManager scope) {
        StepNumbers numbers = new StepNumbers(settings.greatestGradientNorm(), 1 - settings.secondDecay());
        table.each(
                rates,
                (group, rate, step) ->
                        numbers.add(rate, 1 / (1 - Math.pow(settings.secondDecay(), step)), group.weightDecay()));
        try (NDArray constants = numbers.in(scope)) {
            return script(rates).call(scope, parameters, z, gradient, secondMoment, weights, constants);
        }
    }

    @Override
    NDArray current() {
        return copy.of(parameters, z);
    }
}
