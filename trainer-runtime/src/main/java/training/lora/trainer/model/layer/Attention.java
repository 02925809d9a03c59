package training.lora.trainer.model.layer;

import ai.djl.ndarray.NDArray;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.model.layer.kernel.AttentionText;
import training.lora.trainer.model.layer.kernel.ProjectionText;
import training.lora.trainer.model.layer.kernel.Snippets;
import training.lora.trainer.model.weights.ParameterSet;
import training.lora.trainer.model.weights.Weights;
import training.lora.trainer.tensor.Template;

/**
 * Tokens (B, T, C): x + out(softmax(q k^T / sqrt(d)) v), q of norm(x), k and v of norm(x) or of the context (B, S, D),
 * with an adapter's part beside each of the four projections. It keeps x, q, k, v, the result before the last projection
 * and the adapter's rank-r products. A denoiser's and CLIP's differ in names, biases and in who sees whom.
 */
public final class Attention extends AdaptedLayer {
    private static final List<String> NAMES = List.of("to_q", "to_k", "to_v", "to_out.0");
    private static final List<String> CLIP_NAMES = List.of("q_proj", "k_proj", "v_proj", "out_proj");
    private static final List<String> BIASES = List.of("", "", "", "c3");
    private static final List<String> CLIP_BIASES = List.of("c0", "c1", "c2", "c3");

    private final long width;
    private final AttentionText attention;
    private final boolean crossed;

    /** Whether {@link AttentionScores} have its scores: a cross-attention's of down and up blocks. */
    private final boolean scored;

    private final int heads;
    private final List<String> biases;
    private final double eps;
    private final Weights weights = new Weights();

    private Attention(
            List<Projection> own,
            long width,
            boolean crossed,
            int heads,
            List<String> biases,
            AttentionText attention,
            double eps) {
        super(own);
        this.width = width;
        this.attention = attention;
        this.crossed = crossed;
        this.heads = heads;
        this.scored = crossed && !own.get(0).path().startsWith("mid_block.");
        this.biases = biases;
        this.eps = eps;
    }

    /**
     * A denoiser's.
     *
     * @param block path of the transformer block that it is in
     * @param crossed whether to the text, not to itself
     */
    static Attention of(ParameterSet parameters, String block, boolean crossed, TransformerSizes sizes, double eps) {
        String number = crossed ? "2" : "1";
        String path = block + ".attn" + number;
        long width = sizes.width();
        List<Projection> own = new ArrayList<>();
        for (String name : NAMES) {
            long in = crossed && (name.equals("to_k") || name.equals("to_v")) ? sizes.context() : width;
            own.add(Projection.linear(path + "." + name, in, width, Projection.Group.Attention));
        }
        Attention layer = new Attention(
                own,
                width,
                crossed,
                sizes.heads(),
                BIASES,
                AttentionText.of(parameters.device(), parameters.precision(), width, sizes.heads()),
                eps);
        layer.weights.add("n", parameters.norm(block + ".norm" + number, width));
        for (int i = 0; i < own.size(); i++) {
            Projection p = own.get(i);
            layer.weights.add("w" + i, parameters.declare(p.path() + ".weight", p.out(), p.in()));
        }
        layer.weights.add("c3", parameters.declare(path + ".to_out.0.bias", width));
        return layer;
    }

    /**
     * A layer of CLIP.
     *
     * @param layer path of its weights
     * @param prefix of the projections' paths
     * @param causal whether a token sees only itself and those before it
     */
    public static Attention ofClip(
            ParameterSet parameters, String layer, String prefix, ClipSizes sizes, boolean causal) {
        long width = sizes.width();
        String path = layer + ".self_attn.";
        List<Projection> own = CLIP_NAMES.stream()
                .map(name -> Projection.linear(prefix + path + name, width, width, Projection.Group.Attention))
                .toList();
        Attention attention = new Attention(
                own,
                width,
                false,
                sizes.heads(),
                CLIP_BIASES,
                AttentionText.ofFew(parameters.device(), width, sizes.heads(), causal),
                sizes.eps());
        attention.weights.add("n", parameters.norm(layer + ".layer_norm1", width));
        for (int i = 0; i < own.size(); i++) {
            attention.weights.projection(i, parameters.withBias(path + CLIP_NAMES.get(i), width, width));
        }
        return attention;
    }

    /**
     * B pictures or texts, T tokens of width C, S of width D in the context.
     *
     * <ul>
     *   <li>x (B, T, C), y (B, T, C) its result; c (B, S, D) the context
     *   <li>n = norm(x), with nm and nr, in the backward m and r, (B, T, 1): mean and reciprocal deviation, kept
     *   <li>s0 (B T, C) and s1 (B S, D): rows of n and of c; y0, y1, y2: q, k and v by rows, kept
     *   <li>f (B T, C): the attended values, kept by {@link AttentionText}; y3 (B T, C): the last projection's result
     *   <li>sc (B, T, S), where it is scored: the sum over heads of q k^T / sqrt(d), fp32, and sg its gradient
     *   <li>d, d0 to d3, df, dn, dc: gradients of y, y0 to y3, f, s0 and s1; g of x; cg (B, S, D) fp32: what c's is added to
     * </ul>
     */
    @Override
    Kernels compile(Variant variant) {
        String source = crossed ? "s1" : "s0";
        List<ProjectionText> p = List.of(
                ProjectionText.linear(0, "s0", variant.form(0)),
                ProjectionText.linear(1, source, variant.form(1)),
                ProjectionText.linear(2, source, variant.form(2)),
                ProjectionText.linear(3, "f", variant.form(3)));
        String sources = Snippets.layerNorm("n", "x", "n", width, eps) + "\ns0 = " + rows("n")
                + (crossed ? "\ns1 = torch.reshape(c, [-1, torch.size(c, 2)])\n" : "\n");
        String leave = "y = torch.add_(torch.view_as(y3, x), x)\n";
        String forward = sources
                + p.get(0).forward(biases.get(0))
                + p.get(1).forward(biases.get(1))
                + p.get(2).forward(biases.get(2))
                + attention.forward()
                + p.get(3).forward(biases.get(3))
                + leave;
        String record = sources
                + p.get(0).record(biases.get(0))
                + p.get(1).record(biases.get(1))
                + p.get(2).record(biases.get(2))
                + attention.forward()
                + p.get(3).record(biases.get(3))
                + leave
                + (variant.scored() ? score() : "");
        String back = sources
                + "d3 = " + rows("d") + "\n"
                + attention.restore()
                + p.get(3).arrayGradients("d3")
                + p.get(3).sourceGradient("df", "d3")
                + attention.backward()
                + (variant.scored() ? scoreGradient() : "");
        for (int i = 0; i < 3; i++) {
            back += p.get(i).arrayGradients("d" + i);
            if (i == 0) {
                back += p.get(i).sourceGradient("dn", "d" + i);
            } else if (!crossed) {
                back += p.get(i).addSourceGradient("dn", "d" + i);
            }
        }
        if (variant.toText()) {
            back += p.get(1).sourceGradient("dc", "d1")
                    + p.get(2).addSourceGradient("dc", "d2")
                    + "cg_ = torch.add_(cg, torch.view_as(dc, cg))\n";
        }
        back += Snippets.layerNormGradient("g", "torch.view_as(dn, x)", "x", "m", "r", "n", width);
        List<String> inputs = names(crossed ? List.of("x", "c") : List.of("x"), ProjectionText.arrays(p));
        List<String> kept = names(List.of("x", "y0", "y1", "y2"), attention.kept());
        List<String> deltaKept = ProjectionText.kept(p);
        return new Kernels(
                weights.kernel(inputs, forward, List.of("y")),
                weights.kernel(
                        inputs,
                        record,
                        names(
                                variant.scored() ? List.of("y", "sc") : List.of("y"),
                                kept,
                                List.of("nm", "nr"),
                                deltaKept)),
                weights.kernel(
                        names(
                                List.of("d"),
                                kept,
                                List.of("m", "r"),
                                deltaKept,
                                crossed ? List.of("c") : List.of(),
                                variant.toText() ? List.of("cg") : List.of(),
                                variant.scored() ? List.of("sg") : List.of(),
                                ProjectionText.arraysAndGradients(p)),
                        back,
                        List.of("torch.add_(g, d)")));
    }

    private String rows(String x) {
        return "torch.reshape(%s, [-1, %d])".formatted(x, width);
    }

    @Override
    List<NDArray> inputs(Pass pass, NDArray x, @Nullable NDArray skip) {
        return crossed ? List.of(x, pass.requireContext()) : List.of(x);
    }

    @Override
    boolean takesOfPass() {
        return crossed;
    }

    /** The heads' scores add up to the product of whole rows. */
    private String score() {
        return Template.fill("""
                sq = torch.reshape(y0, [torch.size(x, 0), -1, {width}])
                sk = torch.reshape(y1, [torch.size(x, 0), -1, {width}])
                sc = torch.mul(torch.to(torch.bmm(sq, torch.transpose(sk, 1, 2)), 6), {scale})
                """, Map.of("width", width, "scale", scale()));
    }

    /** Adds to d0 and d1. */
    private String scoreGradient() {
        return Template.fill("""
                sq = torch.reshape(y0, [torch.size(x, 0), -1, {width}])
                sk = torch.reshape(y1, [torch.size(x, 0), -1, {width}])
                sd = torch.type_as(torch.mul(sg, {scale}), sq)
                d0 = torch.add(d0, torch.view_as(torch.bmm(sd, sk), d0))
                d1 = torch.add(d1, torch.view_as(torch.bmm(torch.transpose(sd, 1, 2), sq), d1))
                """, Map.of("width", width, "scale", scale()));
    }

    private double scale() {
        return 1 / Math.sqrt((double) width / heads);
    }

    @Override
    @Nullable AttentionScores scores(Pass pass) {
        return scored ? pass.scores() : null;
    }

    @Override
    boolean toText(Pass pass) {
        return crossed && pass.contextGradient() != null;
    }

    @Override
    List<NDArray> beside(Pass pass) {
        return crossed ? with(pass.requireContext(), pass.contextGradient()) : List.of();
    }
}
