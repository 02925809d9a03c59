package training.lora.trainer.model.layer;

import ai.djl.ndarray.NDArray;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.model.layer.kernel.ConvolutionText;
import training.lora.trainer.model.layer.kernel.DeltaForm;
import training.lora.trainer.model.layer.kernel.ProjectionText;
import training.lora.trainer.model.layer.kernel.Snippets;
import training.lora.trainer.model.weights.ParameterSet;
import training.lora.trainer.model.weights.Weights;

/**
 * ResnetBlock2D of diffusers: (B, in, H, W) to (B, out, H, W); y = skip(x) + conv2(silu(norm2(conv1(silu(norm1(x))) +
 * time))), with an adapter's part beside each convolution and the map of the time. It keeps x, the middle and the norms'
 * numbers; the norms are computed again on the way back.
 */
public final class ResnetBlock extends AdaptedLayer {
    private final long in;
    private final long all;
    private final long out;
    private final boolean joining;
    private final boolean timed;
    private final boolean shortcut;
    private final int groups;
    private final double eps;
    private final Weights weights;

    public ResnetBlock(ParameterSet parameters, String path, ResnetSizes sizes, int groups, double eps) {
        super(projections(path, sizes));
        this.in = sizes.in();
        this.all = sizes.all();
        this.out = sizes.out();
        this.groups = groups;
        this.eps = eps;
        timed = sizes.time() > 0;
        joining = sizes.skipped() > 0;
        shortcut = all != out;
        weights = new Weights()
                .add("n1", parameters.norm(path + ".norm1", all))
                .projection(0, parameters.withBias(path + ".conv1", out, all, 3, 3));
        if (timed) {
            weights.projection(1, parameters.withBias(path + ".time_emb_proj", out, sizes.time()));
        }
        weights.add("n2", parameters.norm(path + ".norm2", out))
                .projection(2, parameters.withBias(path + ".conv2", out, out, 3, 3));
        if (shortcut) {
            weights.projection(3, parameters.withBias(path + ".conv_shortcut", out, all, 1, 1));
        }
    }

    /** In the order in which they are applied. */
    private static List<Projection> projections(String path, ResnetSizes sizes) {
        long all = sizes.all();
        long out = sizes.out();
        Projection.Group group = Projection.Group.Convolution;
        List<Projection> projections = new ArrayList<>();
        projections.add(new Projection(path + ".conv1", all, out, 3, group));
        if (sizes.time() > 0) {
            projections.add(Projection.linear(path + ".time_emb_proj", sizes.time(), out, group));
        }
        projections.add(new Projection(path + ".conv2", out, out, 3, group));
        if (all != out) {
            projections.add(new Projection(path + ".conv_shortcut", all, out, 1, group));
        }
        return projections;
    }

    /**
     * B pictures of H x W pixels, E numbers in the time's embedding.
     *
     * <ul>
     *   <li>a (B, in, H, W), k (B, skipped, H, W) the skip, x both together; t (B, E) the time
     *   <li>n1 = norm1(x), q1 = silu(n1); y0 (B, out, H, W): conv1 of it and y1 (B, out), the time's map of s = silu(t)
     *   <li>n2 = norm2(y0), q2 = silu(n2); y2 (B, out, H, W): conv2 of it, with y3, the shortcut of x, or x the result
     *   <li>a, k, y0 and the norms' n1m, n1r, n2m, n2r, in the backward m1, r1, m2, r2, (B, groups), are kept
     *   <li>d, g0, g1, g2: gradients of y2, q2, n2 and y0; d1, ds: of y1 and s; g3, g4: of q1 and n1; h: of x by the
     *       shortcut; g: of x; tg (B, E) fp32: what t's is added to
     * </ul>
     */
    @Override
    Kernels compile(Variant variant) {
        String x = joining ? "x" : "a";
        String join = joining ? "x = torch.cat([a, k], 1)\n" : "";
        ProjectionText first = ProjectionText.of(new ConvolutionText(0, "q1", all, out, 3, 1), variant.form(0));
        ProjectionText time = ProjectionText.linear(1, "s", timed ? variant.form(1) : DeltaForm.NONE);
        ProjectionText second =
                ProjectionText.of(new ConvolutionText(2, "q2", out, out, 3, 1), variant.form(timed ? 2 : 1));
        ProjectionText across = ProjectionText.of(
                new ConvolutionText(3, x, all, out, 1, 1),
                shortcut ? variant.form(variant.forms().size() - 1) : DeltaForm.NONE);
        List<ProjectionText> p = List.of(first, time, second, across);
        List<String> kept = ProjectionText.kept(p);
        List<String> sources = joining ? List.of("a", "k") : List.of("a");
        List<String> inputs = names(sources, timed ? List.of("t") : List.of(), ProjectionText.arrays(p));
        return new Kernels(
                weights.kernel(inputs, join + forward(x, first, time, second, across, false), List.of("y2")),
                weights.kernel(
                        inputs,
                        join + forward(x, first, time, second, across, true),
                        names(List.of("y2"), sources, List.of("y0", "n1m", "n1r", "n2m", "n2r"), kept)),
                weights.kernel(
                        names(
                                List.of("d"),
                                sources,
                                List.of("y0", "m1", "r1", "m2", "r2"),
                                kept,
                                timed ? List.of("t") : List.of(),
                                variant.toText() ? List.of("tg") : List.of(),
                                ProjectionText.arraysAndGradients(p)),
                        join + backward(x, first, time, second, across, variant.toText()),
                        joining ? List.of(part(0, in), part(in, all)) : List.of("g")));
    }

    private String norm1(String x) {
        return Snippets.groupNorm("n1", x, "n1", all, groups, eps) + "\n";
    }

    private String norm2() {
        return Snippets.groupNorm("n2", "y0", "n2", out, groups, eps) + "\n";
    }

    private String forward(
            String x,
            ProjectionText first,
            ProjectionText time,
            ProjectionText second,
            ProjectionText across,
            boolean record) {
        StringBuilder body = new StringBuilder(norm1(x));
        body.append("q1 = torch.silu_(n1)\n").append(text(first, "c0", record));
        if (timed) {
            body.append("s = torch.silu(t)\n").append(text(time, "c1", record));
            body.append("_0 = torch.add_(y0, torch.unsqueeze(torch.unsqueeze(y1, -1), -1))\n");
        }
        body.append(norm2()).append("q2 = torch.silu_(n2)\n").append(text(second, "c2", record));
        if (shortcut) {
            body.append(text(across, "c3", record));
        }
        return body.append("_1 = torch.add_(y2, %s)\n".formatted(shortcut ? "y3" : x))
                .toString();
    }

    private static String text(ProjectionText p, String bias, boolean record) {
        return record ? p.record(bias) : p.forward(bias);
    }

    private String backward(
            String x,
            ProjectionText first,
            ProjectionText time,
            ProjectionText second,
            ProjectionText across,
            boolean toTime) {
        StringBuilder body = new StringBuilder(norm2());
        body.append(second.adapted() ? "q2 = torch.silu(n2)\n" : "");
        body.append(second.arrayGradients("d")).append(second.sourceGradient("g0", "d"));
        body.append("g1 = torch.silu_backward(g0, n2)\n");
        body.append(Snippets.groupNormGradient("g2", "g1", "y0", "m2", "r2", "n2", out, groups))
                .append("\n");
        if (time.adapted() || toTime) {
            body.append("s = torch.silu(t)\nd1 = torch.sum(g2, [2, 3])\n").append(time.arrayGradients("d1"));
        }
        if (toTime) {
            body.append(time.sourceGradient("ds", "d1")).append("tg_ = torch.add_(tg, torch.silu_backward(ds, t))\n");
        }
        body.append(norm1(x)).append(first.adapted() ? "q1 = torch.silu(n1)\n" : "");
        body.append(first.arrayGradients("g2")).append(first.sourceGradient("g3", "g2"));
        body.append("g4 = torch.silu_backward(g3, n1)\n");
        body.append(Snippets.groupNormGradient("g", "g4", x, "m1", "r1", "n1", all, groups))
                .append("\n");
        if (shortcut) {
            body.append(across.arrayGradients("d")).append(across.sourceGradient("h", "d"));
        }
        body.append("_1 = torch.add_(g, %s)\n".formatted(shortcut ? "h" : "d"));
        return body.toString();
    }

    private static String part(long from, long to) {
        return "torch.contiguous(torch.slice(g, 1, %d, %d), memory_format=2)".formatted(from, to);
    }

    @Override
    List<NDArray> inputs(Pass pass, NDArray x, @Nullable NDArray skip) {
        List<NDArray> inputs = new ArrayList<>(List.of(x));
        if (joining) {
            inputs.add(Objects.requireNonNull(skip));
        }
        if (timed) {
            inputs.add(pass.requireTime());
        }
        return inputs;
    }

    @Override
    boolean takesOfPass() {
        return timed;
    }

    @Override
    boolean toText(Pass pass) {
        return timed && pass.timeGradient() != null;
    }

    @Override
    List<NDArray> beside(Pass pass) {
        return timed ? with(pass.requireTime(), pass.timeGradient()) : List.of();
    }
}
