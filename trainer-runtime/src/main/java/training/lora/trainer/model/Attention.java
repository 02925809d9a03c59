package training.lora.trainer.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * Tokens (B, T, C): x + out(softmax(q k^T / sqrt(d)) v), q of norm(x), k and v of norm(x) or of the context (B, S, D),
 * with an adapter's part beside each of the four projections. It keeps x, q, k, v, the result before the last projection
 * with its log-sum-exp, and the adapter's rank-r products. The context gets no gradient: no text encoder is trained yet.
 */
final class Attention implements Layer {
    private static final String[] NAMES = {"to_q", "to_k", "to_v", "to_out.0"};

    private final long width;
    private final int heads;
    private final String path;
    private final boolean crossed;
    private final double eps;
    private final Weights weights = new Weights();

    /** By the adapter's scales, of which a run has one set: the text is made once, not at every step. */
    private final Map<List<Double>, Kernels> kernels = new ConcurrentHashMap<>();

    private record Kernels(Weights.Kernel forward, Weights.Kernel record, Weights.Kernel backward) {}

    /** @param context width of the context, 0 for self-attention */
    Attention(
            ParameterSet parameters,
            List<Projection> projections,
            String norm,
            String path,
            long width,
            long context,
            int heads,
            double eps) {
        this.width = width;
        this.heads = heads;
        this.path = path;
        this.crossed = context > 0;
        this.eps = eps;
        weights.add("n", parameters.norm(norm, width));
        for (int i = 0; i < NAMES.length; i++) {
            long in = crossed && (i == 1 || i == 2) ? context : width;
            weights.add("w" + i, parameters.declare(path + "." + NAMES[i] + ".weight", width, in));
            projections.add(new Projection(path + "." + NAMES[i], in, width, Projection.Group.Attention));
        }
        weights.add("ob", parameters.declare(path + ".to_out.0.bias", width));
    }

    private List<ProjectionDeltas.@Nullable LowRank> deltas(ProjectionDeltas deltas) {
        List<ProjectionDeltas.@Nullable LowRank> own = new ArrayList<>();
        for (String name : NAMES) {
            own.add(deltas.at(path + "." + name));
        }
        return own;
    }

    @Override
    public boolean adapted(ProjectionDeltas deltas) {
        return deltas(deltas).stream().anyMatch(Objects::nonNull);
    }

    private Kernels kernels(List<ProjectionDeltas.@Nullable LowRank> deltas) {
        List<Double> scales = new ArrayList<>();
        deltas.forEach(d -> scales.add(d == null ? Double.NaN : d.scale()));
        return kernels.computeIfAbsent(scales, this::compile);
    }

    private Kernels compile(List<Double> scales) {
        String source = crossed ? "s1" : "s0";
        List<ProjectionText> p = List.of(
                new ProjectionText(0, "s0", scales.get(0)),
                new ProjectionText(1, source, scales.get(1)),
                new ProjectionText(2, source, scales.get(2)),
                new ProjectionText(3, "f", scales.get(3)));
        String inputs = crossed ? "x, c" : "x";
        StringBuilder factors = new StringBuilder();
        StringBuilder gradients = new StringBuilder();
        StringBuilder kept = new StringBuilder();
        int count = 0;
        for (ProjectionText projection : p) {
            factors.append(projection.factors());
            gradients.append(projection.factorsAndGradients());
            kept.append(projection.kept());
            count += projection.adapted() ? 1 : 0;
        }
        String sources = Snippets.layerNorm("n", "x", "n", width, eps) + "\ns0 = " + rows("n")
                + (crossed ? "\ns1 = torch.reshape(c, [-1, torch.size(c, 2)])\n" : "\n");
        String text = sources
                + p.get(0).forward("")
                + p.get(1).forward("")
                + p.get(2).forward("")
                + """
                o, l = torch._scaled_dot_product_flash_attention_for_cpu(%s, %s, %s, 0., False)
                f = %s
                """.formatted(heads("y0"), heads("y1"), heads("y2"), rows("torch.transpose(o, 1, 2)"))
                + p.get(3).forward("ob")
                + "y = torch.add_(torch.view_as(y3, x), x)\n";
        String back = sources
                + "d3 = " + rows("d") + "\nf = " + rows("torch.transpose(o, 1, 2)") + "\n"
                + p.get(3).factorGradients("d3")
                + p.get(3).sourceGradient("df", "d3", false)
                + """
                e0, e1, e2 = torch._scaled_dot_product_flash_attention_for_cpu_backward(%s, %s, %s, %s, o, l, 0., False)
                """.formatted(heads("df"), heads("y0"), heads("y1"), heads("y2"));
        for (int i = 0; i < 3; i++) {
            back += "d%d = %s\n".formatted(i, rows("torch.transpose(e%d, 1, 2)".formatted(i)))
                    + p.get(i).factorGradients("d" + i)
                    + (i == 0 || !crossed ? p.get(i).sourceGradient("dn", "d" + i, i > 0) : "");
        }
        back += Snippets.layerNormGradient("g", "torch.view_as(dn, x)", "x", "m", "r", "n", width)
                + "\nreturn torch.add_(g, d)";
        return new Kernels(
                weights.kernel(inputs + factors, text + "return y", 1),
                weights.kernel(
                        inputs + factors,
                        text + "return (y, x, y0, y1, y2, o, l, nm, nr%s)".formatted(kept),
                        9 + count),
                weights.kernel("d, x, y0, y1, y2, o, l, m, r" + kept + (crossed ? ", c" : "") + gradients, back, 1));
    }

    private String rows(String x) {
        return "torch.reshape(%s, [-1, %d])".formatted(x, width);
    }

    private String heads(String y) {
        return "torch.transpose(torch.reshape(%s, [torch.size(x, 0), -1, %d, %d]), 1, 2)"
                .formatted(y, heads, width / heads);
    }

    private List<NDArray> inputs(Pass pass, NDArray x, List<ProjectionDeltas.@Nullable LowRank> deltas) {
        List<NDArray> inputs = new ArrayList<>(List.of(x));
        if (crossed) {
            inputs.add(pass.requireContext());
        }
        for (ProjectionDeltas.LowRank delta : deltas) {
            if (delta != null) {
                inputs.add(delta.down());
                inputs.add(delta.up());
            }
        }
        return inputs;
    }

    @Override
    public NDArray forward(Pass pass, NDArray x, @Nullable NDArray skip) {
        List<ProjectionDeltas.@Nullable LowRank> own = deltas(pass.deltas());
        return kernels(own)
                .forward()
                .callAll(pass.scope(), inputs(pass, x, own))
                .singletonOrThrow();
    }

    @Override
    public NDList record(Pass pass, NDArray x, @Nullable NDArray skip) {
        List<ProjectionDeltas.@Nullable LowRank> own = deltas(pass.deltas());
        return kernels(own).record().callAll(pass.scope(), inputs(pass, x, own));
    }

    @Override
    public NDList backward(Pass pass, NDArray dy, NDList kept) {
        List<ProjectionDeltas.@Nullable LowRank> own = deltas(pass.deltas());
        List<NDArray> inputs = new ArrayList<>(List.of(dy));
        inputs.addAll(kept);
        if (crossed) {
            inputs.add(pass.requireContext());
        }
        for (ProjectionDeltas.LowRank delta : own) {
            if (delta != null) {
                inputs.add(delta.down());
                inputs.add(delta.up());
                inputs.add(Objects.requireNonNull(delta.downGradient(), "a gradient for " + path));
                inputs.add(Objects.requireNonNull(delta.upGradient(), "a gradient for " + path));
            }
        }
        return kernels(own).backward().callAll(pass.scope(), inputs);
    }
}
