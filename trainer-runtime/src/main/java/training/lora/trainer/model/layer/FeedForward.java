package training.lora.trainer.model.layer;

import ai.djl.ndarray.NDArray;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.model.layer.kernel.ProjectionText;
import training.lora.trainer.model.layer.kernel.Snippets;
import training.lora.trainer.model.weights.ParameterSet;
import training.lora.trainer.model.weights.Weights;
import training.lora.trainer.tensor.Template;

/**
 * Tokens (B, T, C): x + W2 (h * gelu(g)), (h, g) = W1 norm(x), GEGLU of Shazeer 2020, with an adapter's part beside both
 * maps. It keeps x; (B, T, 8 C) would be much to keep, so h and g are computed again on the way back. Without an adapter
 * some tokens at a time go all the way, whose h and g stay in the cache.
 */
final class FeedForward extends AdaptedLayer {
    /** Numbers in h and g of the tokens of a tile: 5 MiB of bf16. */
    private static final int TILE = 5 << 19;

    private final long width;
    private final double eps;
    private final Weights weights;

    FeedForward(ParameterSet parameters, String norm, String path, long width, double eps) {
        super(List.of(
                Projection.linear(path + ".net.0.proj", width, 8 * width, Projection.Group.FeedForward),
                Projection.linear(path + ".net.2", 4 * width, width, Projection.Group.FeedForward)));
        this.width = width;
        this.eps = eps;
        weights = new Weights()
                .add("n", parameters.norm(norm, width))
                .projection(0, parameters.withBias(path + ".net.0.proj", 8 * width, width))
                .projection(1, parameters.withBias(path + ".net.2", width, 4 * width));
    }

    /**
     * B T = N tokens of width C; a tile has some of the N.
     *
     * <ul>
     *   <li>x (B, T, C), y (B, T, C) its result, r (N, C) before the residual
     *   <li>n = norm(x), with nm and nr, in the backward m and v, (B, T, 1): mean and reciprocal deviation, kept
     *   <li>s (N, C): rows of n, s0 a tile's; y0 (N, 8 C): h and g side by side; s1 = h gelu(g) (N, 4 C); y1 (N, C)
     *   <li>d, d1, z: gradients of y, y1 and s1; e: of gelu(g); ds: of s0; k: of n; h and g in the end hold their own
     * </ul>
     */
    @Override
    Kernels compile(Variant variant) {
        List<ProjectionText> p = List.of(
                ProjectionText.remade(0, "s0", variant.form(0)), ProjectionText.linear(1, "s1", variant.form(1)));
        boolean adapted = p.stream().anyMatch(ProjectionText::adapted);
        String enter =
                Snippets.layerNorm("n", "x", "n", width, eps) + "\ns = torch.reshape(n, [-1, %d])\n".formatted(width);
        String gates = Template.fill("""
                h = torch.slice(y0, -1, 0, {half})
                g = torch.slice(y0, -1, {half}, {all})
                """, Map.of("half", 4 * width, "all", 8 * width));
        String gated = gates + "s1 = torch.mul_(torch.gelu(g), h)\n";
        String forward = p.get(0).forward("c0") + gated + p.get(1).forward("c1");
        String record = p.get(0).record("c0") + gated + p.get(1).record("c1");
        String leave = "y = torch.add_(torch.view_as(r, x), x)\n";
        // The gradient of h and g takes their place.
        String backward = p.get(0).again("c0")
                + (p.get(1).adapted() ? gated : gates)
                + p.get(1).arrayGradients("d1")
                + p.get(1).sourceGradient("z", "d1")
                + """
                e = torch.mul(z, h)
                _0 = torch.mul(z, torch.gelu(g), out=h)
                _1 = torch.gelu_backward(e, g, grad_input=g)
                """
                + p.get(0).arrayGradients("y0")
                + p.get(0).sourceGradient("ds", "y0");
        List<String> inputs = names(List.of("x"), ProjectionText.arrays(p));
        List<String> kept = ProjectionText.kept(p);
        return new Kernels(
                weights.kernel(inputs, enter + rows(adapted, "", forward, "y1") + leave, List.of("y")),
                weights.kernel(
                        inputs,
                        enter + rows(adapted, "", record, "y1") + leave,
                        names(List.of("y", "x", "nm", "nr"), kept)),
                weights.kernel(
                        names(List.of("d", "x", "m", "v"), kept, ProjectionText.arraysAndGradients(p)),
                        enter
                                + "t = torch.reshape(d, [-1, %d])\n".formatted(width)
                                + rows(adapted, "d1 = %s\n".formatted(some("t", adapted)), backward, "ds")
                                + Snippets.layerNormGradient("k", "torch.view_as(r, x)", "x", "m", "v", "n", width),
                        List.of("torch.add_(k, d)")));
    }

    /**
     * Makes {@code r} (N, C) of what {@code body} makes, {@code result}, from rows {@code s0} of {@code s} (N, C): of all
     * rows at once, if something is {@code adapted} whose products are kept or added up, else of a tile at a time.
     */
    private String rows(boolean adapted, String before, String body, String result) {
        String lines = "s0 = %s\n".formatted(some("s", adapted)) + before + body;
        if (adapted) {
            return lines + "r = %s\n".formatted(result);
        }
        return Template.fill("""
                r = torch.empty_like(s)
                for i in range(torch.floordiv(torch.add(torch.size(s, 0), {short}), {tile})):
                 i0 = torch.mul(i, {tile})
                 i1 = torch.add(i0, {tile})
                """, Map.of("tile", tile(), "short", tile() - 1))
                + lines.indent(1)
                + " _r = torch.copy_(%s, %s)\n".formatted(some("r", false), result);
    }

    private static String some(String rows, boolean all) {
        return all ? rows : "torch.slice(%s, 0, i0, i1)".formatted(rows);
    }

    /** Tokens of a tile. */
    private long tile() {
        return Math.max(1, TILE / (8 * width));
    }

    @Override
    List<NDArray> inputs(Pass pass, NDArray x, @Nullable NDArray skip) {
        return List.of(x);
    }
}
