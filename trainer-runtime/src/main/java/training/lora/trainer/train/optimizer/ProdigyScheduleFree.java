package training.lora.trainer.train.optimizer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import training.lora.api.OptimizerSpec;
import training.lora.trainer.tensor.Template;
import training.lora.trainer.tensor.TorchScript;

/**
 * Prodigy without a schedule, as prodigy-plus-schedule-free 2.0 has it with {@code factored}, {@code use_stableadamw} and
 * {@code d_limiter} off: its d multiplies the rate of {@link ScheduleFree}'s step. What d is found from is kept of each
 * eleventh number of a tensor, in bf16's values.
 */
final class ProdigyScheduleFree extends Optimizer {
    private static final double EPSILON = 1e-8;

    /** Of so many numbers of a tensor one is looked at to find d. */
    private static final int EACH = 11;

    /** Numbers of a step before those of groups: the greatest norm. */
    private static final int SHARED = 1;

    /** Numbers of a step that each group has: rate, weight decay. */
    private static final int OWN = 2;

    /**
     * y: parameters, z, v: second moment, all (n); g: gradient; b and s: values at the beginning and sums of gradients of each
     * eleventh; e: d, its numerator, and for each group the sum of weights in the average. A step's weight is (d rate)^2. For
     * each tensor {firsts}, {lasts}, {picks} and {picked} tell where it lies and where its eleventh; tiles as in {@link Tiles}.
     */
    private static final String STEP = """
            firsts = [{firsts}]
            lasts = [{lasts}]
            picks = [{picks}]
            picked = [{picked}]
            starts = [{starts}]
            ends = [{ends}]
            groups = [{groups}]
            members = [{members}]
            u = torch.unbind(e, 0)
            d = torch.clone(u[0])
            f = torch.div(torch.mul(d, d), {root})
            sums = torch.zeros_like(d)
            found = torch.zeros_like(d)
            for j in range({tensors}):
             gj = torch.slice(g, 0, firsts[j], lasts[j], {each})
             zj = torch.slice(z, 0, firsts[j], lasts[j], {each})
             bj = torch.slice(b, 0, picks[j], picked[j])
             sj = torch.slice(s, 0, picks[j], picked[j])
             _0 = torch.copy_(sj, torch.to(torch.mul(sj, {beta3}), 15))
             _1 = torch.copy_(sj, torch.to(torch.add(sj, torch.mul(gj, f)), 15))
             _2 = torch.add_(sums, torch.to(torch.to(torch.sum(torch.abs(sj)), 15), 6))
             _3 = torch.add_(found, torch.mul(torch.sum(torch.mul(gj, torch.sub(bj, zj))), f))
            for j in range({moving}):
             h = members[j]
             r = torch.mul(d, k[torch.add(torch.mul(h, {own}), {shared})])
             _4 = torch.add_(u[torch.add(h, 2)], torch.mul(r, r))
            for i in range({count}):
             i0 = starts[i]
             i1 = ends[i]
             q = groups[i]
             r = torch.mul(d, k[q])
             w = u[torch.add(torch.floordiv(torch.sub(q, {shared}), {own}), 2)]
             a = torch.where(torch.gt(w, 0.), torch.div(torch.mul(r, r), w), w)
             gi = torch.slice(g, 0, i0, i1)
             yi = torch.slice(y, 0, i0, i1)
             zi = torch.slice(z, 0, i0, i1)
             vi = torch.mul_(torch.slice(v, 0, i0, i1), {beta2})
             _5 = torch.add_(vi, torch.mul_(torch.mul(gi, gi), torch.mul(torch.mul(d, d), {rest2})))
             t = torch.div(torch.mul(gi, d), torch.add_(torch.sqrt(vi), torch.mul(d, {epsilon})))
             _6 = torch.add_(t, torch.mul(yi, k[torch.add(q, 1)]))
             _7 = torch.lerp_(yi, zi, a)
             _8 = torch.sub_(zi, torch.mul(t, r))
             x = torch.mul(r, torch.rsub(torch.mul(torch.rsub(a, 1.), {beta1}), 1.))
             _9 = torch.sub_(yi, torch.mul_(t, x))
            taken = torch.logical_or(torch.gt(d, {d0}), torch.gt(found, 0.))
            _10 = torch.add_(torch.mul_(u[1], {beta3}), torch.where(taken, found, torch.zeros_like(found)))
            hat = torch.where(torch.gt(sums, 0.), torch.mul(torch.div(u[1], sums), {coefficient}), d)
            _11 = torch.copy_(u[0], torch.maximum(d, hat))
            _12 = torch.zero_(g)
            return n
            """;

    /** b: (n / 11), p: parameters; puts in what d is found from, rounded to bf16. */
    private static final String BEGIN = """
            firsts = [{firsts}]
            lasts = [{lasts}]
            picks = [{picks}]
            picked = [{picked}]
            for j in range({tensors}):
             _0 = torch.copy_(torch.slice(b, 0, picks[j], picked[j]), torch.to(torch.slice(p, 0, firsts[j], lasts[j], {each}), 15))
            return b
            """;

    private final OptimizerSpec settings;
    private final NDArray z;
    private final NDArray secondMoment;
    private final NDArray beginning;
    private final NDArray gradientSum;
    private final NDArray estimate;
    private final AveragedCopy copy;

    /** Where each eleventh number of a tensor is kept. */
    private record Picked(ParameterTensor tensor, long begin) {
        long end() {
            return begin + (tensor.shape().size() + EACH - 1) / EACH;
        }
    }

    /** @param parameters (n), fp32 */
    ProdigyScheduleFree(ParameterTable table, NDArray parameters, OptimizerSpec settings, NDManager parent) {
        super(table, parameters, parent);
        this.settings = settings;
        this.z = keep("z", parameters.duplicate());
        this.secondMoment = zeros("secondMoment");
        List<Picked> all = picked(table);
        long size = all.get(all.size() - 1).end();
        this.beginning = zeros("beginning", size, DataType.FLOAT32);
        TorchScript.compile("b, p", Template.fill(BEGIN, holes(all)))
                .call(beginning.getManager(), beginning, parameters)
                .close();
        this.gradientSum = zeros("gradientSum", size, DataType.FLOAT32);
        float[] begin = new float[2 + table.groups().size()];
        begin[0] = (float) FIRST_DISTANCE;
        this.estimate = keep("estimate", parent.create(begin));
        this.copy = new AveragedCopy(parameters.duplicate(), settings.firstDecay());
        own(copy.values());
    }

    private static List<Picked> picked(ParameterTable table) {
        List<Picked> all = new ArrayList<>();
        for (ParameterTensor tensor : table.tensors()) {
            all.add(new Picked(
                    tensor, all.isEmpty() ? 0 : all.get(all.size() - 1).end()));
        }
        return all;
    }

    private static Map<String, Object> holes(List<Picked> picked) {
        Map<String, Object> values = new HashMap<>();
        values.put("firsts", Tiles.list(picked, p -> p.tensor().offset()));
        values.put("lasts", Tiles.list(picked, p -> p.tensor().end()));
        values.put("picks", Tiles.list(picked, Picked::begin));
        values.put("picked", Tiles.list(picked, Picked::end));
        values.put("tensors", picked.size());
        values.put("each", EACH);
        return values;
    }

    @Override
    NDArray found() {
        return estimate;
    }

    @Override
    TorchScript compile(String clip, List<ParameterTable.Run> moving) {
        List<Integer> members =
                moving.stream().map(ParameterTable.Run::group).distinct().toList();
        Map<String, Object> values = holes(picked(table).stream()
                .filter(p -> members.contains(p.tensor().group()))
                .toList());
        values.put("members", Tiles.list(members, i -> i));
        values.put("moving", members.size());
        values.put("shared", SHARED);
        values.put("own", OWN);
        values.put("root", Math.sqrt(FIRST_DISTANCE));
        values.put("d0", FIRST_DISTANCE);
        values.put("beta1", settings.firstDecay());
        values.put("beta2", settings.secondDecay());
        values.put("beta3", Math.sqrt(settings.secondDecay()));
        values.put("rest2", 1 - settings.secondDecay());
        values.put("epsilon", EPSILON);
        values.put("coefficient", settings.coefficient());
        return TorchScript.compile(
                "y, z, g, v, b, s, e, c",
                clip + Template.fill(STEP, Tiles.of(moving, AdamW.TILE).values(SHARED, OWN, values)));
    }

    @Override
    NDArray move(NDArray gradient, Rates rates, NDManager scope) {
        StepNumbers numbers = new StepNumbers(settings.greatestGradientNorm());
        table.each(rates, (group, rate, step) -> numbers.add(rate, group.weightDecay()));
        try (NDArray constants = numbers.in(scope)) {
            return script(rates)
                    .call(scope, parameters, z, gradient, secondMoment, beginning, gradientSum, estimate, constants);
        }
    }

    @Override
    NDArray current() {
        return copy.of(parameters, z);
    }
}
