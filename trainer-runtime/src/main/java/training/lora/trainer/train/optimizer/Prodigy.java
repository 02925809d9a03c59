package training.lora.trainer.train.optimizer;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.Map;
import training.lora.api.OptimizerSpec;
import training.lora.trainer.tensor.Template;
import training.lora.trainer.tensor.TorchScript;

/**
 * Prodigy (Mishchenko and Defazio 2023) over one flat array, as prodigyopt does it with unlimited growth: Adam whose rate
 * is an estimate d of the distance to the solution. The schedule's rate, 1 at its height, multiplies d and never takes
 * its place. d and what it is made of stay in native memory.
 */
final class Prodigy extends Optimizer {
    private static final double EPSILON = 1e-8;

    /** Parameters that are moved at a time, so that what is made on the way is small; fewer cost time in calls. */
    static final int TILE = 1 << 20;

    /** d before the first step; divides what would be too small for fp32. */
    private static final double D0 = 1e-6;

    /**
     * p: parameters, b: their values at the beginning, g: gradient, m and v: moments, s: sum of gradients, all (n); e: d, the
     * numerator of its next value and the number of steps; c: greatest norm and rate. The step and the decay use the old d,
     * epsilon the new one. All groups share d, and what its numerator takes the step to be: the rate of the first group.
     */
    private static final String STEP = """
            k = torch.unbind(c, 0)
            {clip}
            u = torch.unbind(e, 0)
            d = torch.clone(u[0])
            i = torch.to(torch.add(u[2], 1.), 7)
            h = torch.mul(torch.mul(d, k[1]), {correction})
            r = torch.div(d, {d0})
            _1 = torch.mul_(u[1], {beta3})
            a = torch.zeros_like(d)
            for j in range(torch.floordiv(torch.add(torch.size(p, 0), {short}), {tile})):
             j0 = torch.mul(j, {tile})
             j1 = torch.add(j0, {tile})
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
            found = torch.where(moves, torch.div(u[1], a), d)
            _7 = torch.copy_(u[0], torch.maximum(d, found))
            _8 = torch.add_(u[2], moves)
            l = torch.mul(h, moves)
            w = torch.mul(u[0], {epsilon})
            {moves}
            _9 = torch.zero_(g)
            return n
            """;

    /** Moves one group at the rate l; p, m and v as above, of the group's size, and w: epsilon. */
    private static final String MOVE = """
            x = {rate}
            for j in range(torch.floordiv(torch.add(torch.size({p}, 0), {short}), {tile})):
             j0 = torch.mul(j, {tile})
             j1 = torch.add(j0, {tile})
             pj = torch.slice({p}, 0, j0, j1)
             q = torch.div(torch.slice({m}, 0, j0, j1), torch.add_(torch.sqrt(torch.slice({v}, 0, j0, j1)), w))
             _1 = torch.sub_(pj, torch.mul(pj, torch.mul(x, {weightDecay})))
             _2 = torch.sub_(pj, torch.mul(q, x))
            """;

    /** sqrt(1 - beta2^i) / (1 - beta1^i), in fp64 because beta2^i is near 1. */
    private static final String CORRECTION =
            "torch.to(torch.div(torch.sqrt(torch.rsub(torch.pow(%2$s, i), 1.)), torch.rsub(torch.pow(%1$s, i), 1.)), 6)";

    /** A step at rate 0, at which prodigyopt leaves all as it was. */
    private static final TorchScript REST = TorchScript.compile("g", """
            n = torch.norm(g)
            _0 = torch.zero_(g)
            return n
            """);

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

    private final float greatestNorm;
    private final TorchScript script;
    private final NDArray beginning;
    private final NDArray firstMoment;
    private final NDArray secondMoment;
    private final NDArray gradientSum;
    private final NDArray estimate;

    /** @param parameters (n), fp32 */
    Prodigy(NDArray parameters, Groups groups, OptimizerSpec settings, Variant variant, NDManager parent) {
        super(parameters, parent);
        this.greatestNorm = settings.maxGradientNorm().floatValue();
        this.script = TorchScript.compile(
                "p, b, g, m, v, s, e, c",
                Template.fill(
                        STEP,
                        Map.ofEntries(
                                Map.entry("clip", CLIP.strip()),
                                Map.entry(
                                        "correction",
                                        variant.biasCorrection()
                                                ? CORRECTION.formatted(settings.beta1(), settings.beta2())
                                                : "1."),
                                Map.entry("d0", D0),
                                Map.entry("beta3", Math.sqrt(settings.beta2())),
                                Map.entry("beta1", settings.beta1()),
                                Map.entry("rest1", 1 - settings.beta1()),
                                Map.entry("beta2", settings.beta2()),
                                Map.entry("rest2", 1 - settings.beta2()),
                                Map.entry("sum", variant.safeguardWarmup() ? "d" : "h"),
                                Map.entry("epsilon", EPSILON),
                                Map.entry(
                                        "moves",
                                        moves(groups, settings.weightDecay()).strip()),
                                Map.entry("short", TILE - 1),
                                Map.entry("tile", TILE))));
        this.beginning = keep("beginning", parameters.duplicate());
        this.firstMoment = zeros("firstMoment");
        this.secondMoment = zeros("secondMoment");
        this.gradientSum = zeros("gradientSum");
        this.estimate = keep("estimate", parent.create(new float[] {(float) D0, 0, 0}));
    }

    private static String moves(Groups groups, double weightDecay) {
        StringBuilder lines = new StringBuilder();
        for (int i = 0; i < groups.factors().size(); i++) {
            double factor = groups.factors().get(i);
            lines.append(Template.fill(
                    MOVE,
                    Map.of(
                            "p",
                            groups.part("p", i),
                            "m",
                            groups.part("m", i),
                            "v",
                            groups.part("v", i),
                            "short",
                            TILE - 1,
                            "tile",
                            TILE,
                            "weightDecay",
                            weightDecay,
                            "rate",
                            factor == 1 ? "l" : "torch.mul(l, %s)".formatted(factor))));
        }
        return lines.toString();
    }

    @Override
    public NDArray step(NDArray gradient, double learningRate, NDManager scope) {
        if (learningRate == 0) {
            return REST.call(scope, gradient);
        }
        try (NDArray constants = scope.create(new float[] {greatestNorm, (float) learningRate})) {
            return script.call(
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
