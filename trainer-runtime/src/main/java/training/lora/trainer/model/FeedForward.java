package training.lora.trainer.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import org.jspecify.annotations.Nullable;

/**
 * Tokens (B, T, C): x + W2 (h * gelu(g)), (h, g) = W1 norm(x), GEGLU of Shazeer 2020. It keeps x; (B, T, 8 C) would be
 * much to keep, so h and g are computed again on the way back.
 */
final class FeedForward implements Layer {
    private final Weights.Kernel forward;
    private final Weights.Kernel record;
    private final Weights.Kernel backward;

    FeedForward(ParameterSet parameters, String norm, String path, long width, double eps) {
        Weights weights = new Weights()
                .add("n", parameters.norm(norm, width))
                .add("i", parameters.withBias(path + ".net.0.proj", 8 * width, width))
                .add("o", parameters.withBias(path + ".net.2", width, 4 * width));
        String gates = Snippets.layerNorm("n", "x", "n", width, eps) + """

                p = torch.linear(n, iw, ib)
                h = torch.slice(p, -1, 0, %1$d)
                g = torch.slice(p, -1, %1$d, %2$d)
                """.formatted(4 * width, 8 * width);
        String text = gates + """
                y = torch.linear(torch.mul_(torch.gelu(g), h), ow, ob)
                _0 = torch.add_(y, x)
                """;
        forward = weights.kernel("x", text + "return y", 1);
        record = weights.kernel("x", text + "return (y, x, nm, nr)", 4);
        backward = weights.kernel(
                "d, x, m, r",
                gates + """
                z = torch.matmul(d, ow)
                e = torch.empty_like(p)
                _0 = torch.copy_(torch.slice(e, -1, 0, %1$d), torch.mul(z, torch.gelu(g)))
                _1 = torch.copy_(torch.slice(e, -1, %1$d, %2$d), torch.gelu_backward(torch.mul_(z, h), g))
                """.formatted(4 * width, 8 * width)
                        + Snippets.layerNormGradient("k", "torch.matmul(e, iw)", "x", "m", "r", "n", width) + """

                return torch.add_(k, d)
                """,
                1);
    }

    @Override
    public NDArray forward(Pass pass, NDArray x, @Nullable NDArray skip) {
        return forward.call(pass.scope(), x);
    }

    @Override
    public NDList record(Pass pass, NDArray x, @Nullable NDArray skip) {
        return record.callAll(pass.scope(), x);
    }

    @Override
    public NDList backward(Pass pass, NDArray dy, NDList kept) {
        return backward.callAll(pass.scope(), dy, kept);
    }
}
