package training.lora.trainer.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import training.lora.api.OptimizerSpec;
import training.lora.trainer.tensor.TorchScript;

/**
 * Prodigy (Mishchenko and Defazio 2023) over one flat array, as prodigyopt does it with unlimited growth: Adam whose rate
 * is an estimate d of the distance to the solution. The schedule's rate, 1 at its height, multiplies d and never takes
 * its place. d and what it is made of stay in native memory.
 */
final class Prodigy extends Optimizer {
    private static final double EPSILON = 1e-8;

    /** d before the first step; divides what would be too small for fp32. */
    private static final double D0 = 1e-6;

    /**
     * p: parameters, b: their values at the beginning, g: gradient, m and v: moments, s: sum of gradients, all (n); e: d, the
     * numerator of its next value and the number of steps; c: greatest norm and rate. The step and the decay use the old d,
     * epsilon the new one. All groups share d, and what its numerator takes the step to be: the rate of the first group.
     */
    private static final String STEP = """
            k = torch.unbind(c, 0)
            %1$s
            u = torch.unbind(e, 0)
            d = torch.clone(u[0])
            i = torch.to(torch.add(u[2], 1.), 7)
            h = torch.mul(torch.mul(d, k[1]), %2$s)
            r = torch.div(d, %3$s)
            t = torch.mul(torch.mul(r, h), torch.dot(g, torch.sub(b, p)))
            _1 = torch.add_(torch.mul_(u[1], %4$s), t)
            _2 = torch.add_(torch.mul_(m, %5$s), torch.mul(g, torch.mul(d, %6$s)))
            _3 = torch.add_(torch.mul_(v, %7$s), torch.mul(torch.mul(g, g), torch.mul(torch.mul(d, d), %8$s)))
            _4 = torch.add_(torch.mul_(s, %4$s), torch.mul(g, torch.mul(r, %9$s)))
            a = torch.sum(torch.abs(s))
            moves = torch.gt(a, 0.)
            found = torch.where(moves, torch.div(u[1], a), d)
            _5 = torch.copy_(u[0], torch.maximum(d, found))
            _6 = torch.add_(u[2], moves)
            l = torch.mul(h, moves)
            q = torch.div(m, torch.add_(torch.sqrt(v), torch.mul(u[0], %10$s)))
            %11$s
            _9 = torch.zero_(g)
            return n
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
                STEP.formatted(
                        CLIP.strip(),
                        variant.biasCorrection() ? CORRECTION.formatted(settings.beta1(), settings.beta2()) : "1.",
                        D0,
                        Math.sqrt(settings.beta2()),
                        settings.beta1(),
                        1 - settings.beta1(),
                        settings.beta2(),
                        1 - settings.beta2(),
                        variant.safeguardWarmup() ? "d" : "h",
                        EPSILON,
                        moves(groups, settings.weightDecay()).strip()));
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
            lines.append("""
                    l%1$d = %5$s
                    p%1$d = torch.sub_(%2$s, torch.mul(%2$s, torch.mul(l%1$d, %4$s)))
                    q%1$d = torch.sub_(%2$s, torch.mul(%3$s, l%1$d))
                    """.formatted(
                            i,
                            groups.part("p", i),
                            groups.part("q", i),
                            weightDecay,
                            factor == 1 ? "l" : "torch.mul(l, %s)".formatted(factor)));
        }
        return lines.toString();
    }

    @Override
    NDArray step(NDArray gradient, double learningRate, NDManager scope) {
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
