package training.lora.trainer.train.optimizer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import training.lora.api.OptimizerSpec;
import training.lora.trainer.tensor.Template;
import training.lora.trainer.tensor.TorchScript;

/**
 * Prodigy (Mishchenko and Defazio 2023) over one flat array, as prodigyopt does it: Adam whose rate
 * is an estimate d of the distance to the solution. The schedule's rate, 1 at its height, multiplies d and never takes
 * its place. d and what it is made of stay in native memory.
 */
final class Prodigy extends Optimizer {
    private static final double EPSILON = 1e-8;

    /** Parameters that are moved at a time, so that what is made on the way is small; fewer cost time in calls. */
    static final int TILE = 1 << 20;

    /** Numbers of a step before those of groups. */
    private static final int SHARED = 2;

    /** Numbers of a step that each group has. */
    private static final int OWN = 2;

    /**
     * p: parameters, b: their values at the beginning, g: gradient, m and v: moments, s: sum of gradients, all (n); e: d, the
     * numerator of its next value, the number of steps and, where growth is limited, the most that was found; c: greatest norm, rate, and for each group what its rate is
     * divided by this, and its weight decay. The step and the decay use the old d, epsilon the new one. All groups that move
     * share d, and what its numerator takes the step to be: the highest of their rates before their factors. For each tile
     * {starts}, {ends} and {groups} tell where it lies and where its group's numbers begin.
     */
    private static final String STEP = """
            {clip}
            starts = [{starts}]
            ends = [{ends}]
            groups = [{groups}]
            sumStarts = [{sumStarts}]
            sumEnds = [{sumEnds}]
            u = torch.unbind(e, 0)
            d = torch.clone(u[0])
            i = torch.to(torch.add(u[2], 1.), 7)
            h = torch.mul(torch.mul(d, k[1]), {correction})
            r = torch.div(d, {d0})
            _1 = torch.mul_(u[1], {beta3})
            a = torch.zeros_like(d)
            for j in range({sums}):
             j0 = sumStarts[j]
             j1 = sumEnds[j]
             gj = torch.slice(g, 0, j0, j1)
             bj = torch.sub(torch.slice(b, 0, j0, j1), torch.slice(p, 0, j0, j1))
             _2 = torch.add_(u[1], torch.mul(torch.mul(r, h), torch.dot(gj, bj)))
             mj = torch.mul_(torch.slice(m, 0, j0, j1), {beta1})
             _3 = torch.add_(mj, torch.mul(gj, torch.mul(d, {rest1})))
             vj = torch.mul_(torch.slice(v, 0, j0, j1), {beta2})
             _4 = torch.add_(vj, torch.mul(torch.mul(gj, gj), torch.mul(torch.mul(d, d), {rest2})))
             sj = torch.mul_(torch.slice(s, 0, j0, j1), {beta3})
             _5 = torch.add_(sj, torch.mul(gj, torch.mul(r, {sum})))
             _6 = torch.add_(a, torch.sum(torch.abs(sj)))
            moves = torch.gt(a, 0.)
            found = torch.where(moves, torch.mul(torch.div(u[1], a), {coefficient}), d)
            {growth}
            _8 = torch.add_(u[2], moves)
            l = torch.mul(h, moves)
            w = torch.mul(u[0], {epsilon})
            for j in range({count}):
             j0 = starts[j]
             j1 = ends[j]
             x = torch.mul(l, k[groups[j]])
             pj = torch.slice(p, 0, j0, j1)
             q = torch.div(torch.slice(m, 0, j0, j1), torch.add_(torch.sqrt(torch.slice(v, 0, j0, j1)), w))
             _1 = torch.sub_(pj, torch.mul(pj, torch.mul(x, k[torch.add(groups[j], 1)])))
             _2 = torch.sub_(pj, torch.mul(q, x))
            _9 = torch.zero_(g)
            return n
            """;

    /** d becomes what was found where that is more. */
    private static final String UNLIMITED = "_7 = torch.copy_(u[0], torch.maximum(d, found))";

    /** The same, but by no more than a factor at a step; u[3] is the most that was found. */
    private static final String LIMITED = """
            begun = torch.where(torch.eq(d, {d0}), torch.maximum(d, found), d)
            most = torch.copy_(u[3], torch.maximum(u[3], found))
            grown = torch.minimum(most, torch.mul(begun, {limit}))
            _7 = torch.copy_(u[0], torch.where(moves, grown, d))
            """;

    /** sqrt(1 - beta2^i) / (1 - beta1^i), in fp64 because beta2^i is near 1. */
    private static final String CORRECTION =
            "torch.to(torch.div(torch.sqrt(torch.rsub(torch.pow(%2$s, i), 1.)), torch.rsub(torch.pow(%1$s, i), 1.)), 6)";

    /**
     * How it differs from prodigyopt's defaults.
     *
     * @param biasCorrection whether moments are corrected for their beginning at 0, as Adam's are
     * @param safeguardWarmup whether a low rate of the schedule leaves the estimate of d alone
     */
    record Variant(boolean biasCorrection, boolean safeguardWarmup) {
        /** What its authors recommend for diffusion models. */
        static final Variant DIFFUSION = new Variant(true, true);
    }

    private final OptimizerSpec settings;
    private final Variant variant;
    private final NDArray beginning;
    private final NDArray firstMoment;
    private final NDArray secondMoment;
    private final NDArray gradientSum;
    private final NDArray estimate;

    /** @param parameters (n), fp32 */
    Prodigy(ParameterTable table, NDArray parameters, OptimizerSpec settings, Variant variant, NDManager parent) {
        super(table, parameters, parent);
        this.settings = settings;
        this.variant = variant;
        this.beginning = keep("beginning", parameters.duplicate());
        this.firstMoment = zeros("firstMoment");
        this.secondMoment = zeros("secondMoment");
        this.gradientSum = zeros("gradientSum");
        this.estimate = keep(
                "estimate",
                parent.create(
                        settings.growthRate() == null
                                ? new float[] {(float) FIRST_DISTANCE, 0, 0}
                                : new float[] {(float) FIRST_DISTANCE, 0, 0, (float) FIRST_DISTANCE}));
    }

    @Override
    NDArray found() {
        return estimate;
    }

    @Override
    TorchScript compile(String clip, List<ParameterTable.Run> moving) {
        Tiles tiles = Tiles.of(moving, TILE);
        Tiles sums = Tiles.of(ParameterTable.joined(moving), TILE);
        Map<String, Object> values = new HashMap<>();
        values.put("clip", clip.strip());
        values.put(
                "correction",
                variant.biasCorrection() ? CORRECTION.formatted(settings.firstDecay(), settings.secondDecay()) : "1.");
        values.put("d0", FIRST_DISTANCE);
        values.put("coefficient", settings.coefficient());
        Double limit = settings.growthRate();
        values.put(
                "growth",
                limit == null
                        ? UNLIMITED
                        : Template.fill(LIMITED, Map.of("d0", FIRST_DISTANCE, "limit", limit))
                                .strip());
        values.put("beta3", Math.sqrt(settings.secondDecay()));
        values.put("beta1", settings.firstDecay());
        values.put("rest1", 1 - settings.firstDecay());
        values.put("beta2", settings.secondDecay());
        values.put("rest2", 1 - settings.secondDecay());
        values.put("sum", variant.safeguardWarmup() ? "d" : "h");
        values.put("epsilon", EPSILON);
        values.put("sumStarts", sums.starts());
        values.put("sumEnds", sums.ends());
        values.put("sums", sums.count());
        return TorchScript.compile("p, b, g, m, v, s, e, c", Template.fill(STEP, tiles.values(SHARED, OWN, values)));
    }

    @Override
    NDArray move(NDArray gradient, Rates rates, NDManager scope) {
        double highest =
                rates.groups().stream().mapToDouble(Rates.Group::rate).max().orElseThrow();
        if (highest == 0) {
            // prodigyopt leaves all as it was.
            return rest(gradient, scope);
        }
        StepNumbers numbers = new StepNumbers(settings.greatestGradientNorm(), highest);
        for (int i = 0; i < table.groups().size(); i++) {
            ParameterGroup group = table.groups().get(i);
            numbers.add(group.factor() * (rates.groups().get(i).rate() / highest), group.weightDecay());
        }
        try (NDArray constants = numbers.in(scope)) {
            return script(rates)
                    .call(
                            scope,
                            parameters,
                            beginning,
                            gradient,
                            firstMoment,
                            secondMoment,
                            gradientSum,
                            estimate,
                            constants);
        }
    }
}
