package training.lora.trainer.model;

import ai.djl.ndarray.NDArray;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Tokens (B, T, C): x + W2 (h * gelu(g)), (h, g) = W1 norm(x), GEGLU of Shazeer 2020, with an adapter's part beside both
 * maps. It keeps x; (B, T, 8 C) would be much to keep, so h and g are computed again on the way back.
 */
final class FeedForward extends AdaptedLayer {
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

    @Override
    Kernels compile(Variant variant) {
        List<LinearText> p =
                List.of(new LinearText(0, "s0", variant.form(0)), new LinearText(1, "s1", variant.form(1)));
        String enter =
                Snippets.layerNorm("n", "x", "n", width, eps) + "\ns0 = torch.reshape(n, [-1, %d])\n".formatted(width);
        String gates = """
                h = torch.slice(y0, -1, 0, %1$d)
                g = torch.slice(y0, -1, %1$d, %2$d)
                """.formatted(4 * width, 8 * width);
        String gated = gates + "s1 = torch.mul_(torch.gelu(g), h)\n";
        String leave = "y = torch.add_(torch.view_as(y1, x), x)\n";
        String kept = kept(p);
        String results = "y, x, nm, nr" + kept;
        String backward = enter
                + p.get(0).again("c0")
                + (p.get(1).adapted() ? gated : gates)
                + "d1 = torch.reshape(d, [-1, %d])\n".formatted(width)
                + p.get(1).factorGradients("d1")
                + p.get(1).sourceGradient("z", "d1")
                + """
                e = torch.empty_like(y0)
                _0 = torch.copy_(torch.slice(e, -1, 0, %1$d), torch.mul(z, torch.gelu(g)))
                _1 = torch.copy_(torch.slice(e, -1, %1$d, %2$d), torch.gelu_backward(torch.mul_(z, h), g))
                """.formatted(4 * width, 8 * width)
                + p.get(0).factorGradients("e")
                + p.get(0).sourceGradient("dn", "e")
                + Snippets.layerNormGradient("k", "torch.view_as(dn, x)", "x", "m", "r", "n", width)
                + "\nreturn torch.add_(k, d)";
        return new Kernels(
                weights.kernel(
                        "x" + factors(p),
                        enter + p.get(0).forward("c0") + gated + p.get(1).forward("c1") + leave + "return y",
                        1),
                weights.kernel(
                        "x" + factors(p),
                        enter + p.get(0).record("c0") + gated + p.get(1).record("c1") + leave + "return (" + results
                                + ")",
                        results.split(",").length),
                weights.kernel("d, x, m, r" + kept + factorsAndGradients(p), backward, 1));
    }

    @Override
    List<NDArray> inputs(Pass pass, NDArray x, @Nullable NDArray skip) {
        return List.of(x);
    }
}
