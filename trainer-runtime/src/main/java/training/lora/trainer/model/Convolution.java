package training.lora.trainer.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import org.jspecify.annotations.Nullable;

/**
 * A convolution with bias, by itself or with what stands directly before it: (B, in, H, W) to (B, out, H', W'). A frozen
 * convolution keeps nothing for its backward, its norm the input and two numbers a group.
 */
final class Convolution implements Layer {
    private final Weights.Kernel forward;
    private final Weights.Kernel record;
    private final Weights.Kernel backward;

    private Convolution(Weights.Kernel forward, Weights.Kernel record, Weights.Kernel backward) {
        this.forward = forward;
        this.record = record;
        this.backward = backward;
    }

    private static Convolution keepingNothing(Weights weights, String forward, String backward) {
        Weights.Kernel kernel = weights.kernel("x", forward + "\nreturn y", 1);
        return new Convolution(kernel, kernel, weights.kernel("d", backward + "\nreturn g", 1));
    }

    static Convolution plain(ParameterSet parameters, String path, long in, long out, int kernel, int padding) {
        return keepingNothing(
                new Weights().add("c", parameters.withBias(path, out, in, kernel, kernel)),
                Snippets.convolution("y", "x", "c", 1, padding),
                Snippets.convolutionGradient("g", "d", "c", in, 1, padding));
    }

    /** Halves height and width. */
    static Convolution down(ParameterSet parameters, String path, long channels) {
        return keepingNothing(
                new Weights().add("c", parameters.withBias(path, channels, channels, 3, 3)),
                Snippets.convolution("y", "x", "c", 2, 1),
                Snippets.convolutionGradient("g", "d", "c", channels, 2, 1));
    }

    /** Doubles height and width (nearest neighbour), then convolves. */
    static Convolution up(ParameterSet parameters, String path, long channels) {
        return keepingNothing(
                new Weights().add("c", parameters.withBias(path, channels, channels, 3, 3)),
                """
                h = torch.upsample_nearest2d(x, [torch.mul(torch.size(x, 2), 2), torch.mul(torch.size(x, 3), 2)], None, None)
                """ + Snippets.convolution("y", "h", "c", 1, 1),
                Snippets.convolutionGradient("h", "d", "c", channels, 1, 1) + """

                s = [torch.size(d, 0), %d, torch.floordiv(torch.size(d, 2), 2), torch.floordiv(torch.size(d, 3), 2)]
                g = torch.upsample_nearest2d_backward(h, [torch.size(d, 2), torch.size(d, 3)], s, None, None)""".formatted(channels));
    }

    /** Group norm and SiLU, then convolves. */
    static Convolution normed(
            ParameterSet parameters, String norm, String path, long in, long out, int groups, double eps) {
        Weights weights =
                new Weights().add("n", parameters.norm(norm, in)).add("c", parameters.withBias(path, out, in, 3, 3));
        String forward = Snippets.groupNorm("h", "x", "n", in, groups, eps) + "\n"
                + Snippets.convolution("y", "torch.silu_(h)", "c", 1, 1) + "\n";
        String backward = Snippets.convolutionGradient("a", "d", "c", in, 1, 1) + "\n"
                + Snippets.groupNorm("h", "x", "n", in, groups, eps) + "\n"
                + Snippets.groupNormGradient("g", "torch.silu_backward(a, h)", "x", "m", "r", "n", in, groups)
                + "\nreturn g";
        return new Convolution(
                weights.kernel("x", forward + "return y", 1),
                weights.kernel("x", forward + "return (y, x, hm, hr)", 4),
                weights.kernel("d, x, m, r", backward, 1));
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
