package training.lora.trainer.model;

import ai.djl.ndarray.NDArray;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * A convolution with bias, by itself or with what stands directly before it: (B, in, H, W) to (B, out, H', W'). A frozen
 * convolution keeps nothing for its backward, its norm the input and two numbers a group; an adapted one keeps its input.
 */
final class Convolution extends AdaptedLayer {
    private final Function<DeltaForm, Kernels> compile;

    private Convolution(List<Projection> projections, Function<DeltaForm, Kernels> compile) {
        super(projections);
        this.compile = compile;
    }

    /** Without an adapter, by itself. */
    static Convolution plain(ParameterSet parameters, String path, long in, long out, int kernel) {
        Weights weights = new Weights().projection(0, parameters.withBias(path, out, in, kernel, kernel));
        return new Convolution(
                List.of(),
                form -> kernels(weights, new ConvolutionText(0, "x", in, out, kernel, 1, form), "", "g", ""));
    }

    /** Halves height and width. */
    static Convolution down(ParameterSet parameters, String path, long channels) {
        Weights weights = new Weights().projection(0, parameters.withBias(path, channels, channels, 3, 3));
        return new Convolution(
                sampler(path, channels),
                form -> kernels(weights, new ConvolutionText(0, "x", channels, channels, 3, 2, form), "", "g", ""));
    }

    /** Doubles height and width (nearest neighbour), then convolves. */
    static Convolution up(ParameterSet parameters, String path, long channels) {
        Weights weights = new Weights().projection(0, parameters.withBias(path, channels, channels, 3, 3));
        return new Convolution(
                sampler(path, channels),
                form -> kernels(
                        weights,
                        new ConvolutionText(0, "h", channels, channels, 3, 1, form),
                        "h = torch.upsample_nearest2d(x, [torch.mul(torch.size(x, 2), 2), torch.mul(torch.size(x, 3), 2)], None, None)\n",
                        "dh",
                        """
                        s = [torch.size(d, 0), %d, torch.floordiv(torch.size(d, 2), 2), torch.floordiv(torch.size(d, 3), 2)]
                        g = torch.upsample_nearest2d_backward(dh, [torch.size(d, 2), torch.size(d, 3)], s, None, None)
                        """.formatted(channels)));
    }

    private static List<Projection> sampler(String path, long channels) {
        return List.of(new Projection(path, channels, channels, 3, Projection.Group.Convolution));
    }

    /**
     * @param before makes the convolution's source from x
     * @param ds name of the source's gradient
     * @param after makes {@code g}, x's gradient, from it
     */
    private static Kernels kernels(Weights weights, ConvolutionText p, String before, String ds, String after) {
        Weights.Kernel forward = weights.kernel("x" + p.factors(), before + p.forward("c0") + "return y0", 1);
        String gradients = p.factorGradients("d") + p.sourceGradient(ds, "d") + after + "return g";
        if (!p.adapted()) {
            return new Kernels(forward, forward, weights.kernel("d", gradients, 1));
        }
        String results = "y0, x" + p.kept();
        return new Kernels(
                forward,
                weights.kernel(
                        "x" + p.factors(),
                        before + p.record("c0") + "return (" + results + ")",
                        results.split(",").length),
                weights.kernel("d, x" + p.kept() + p.factorsAndGradients(), before + gradients, 1));
    }

    /** Group norm and SiLU, then convolves; without an adapter. */
    static Convolution normed(
            ParameterSet parameters, String norm, String path, long in, long out, int groups, double eps) {
        Weights weights = new Weights()
                .add("n", parameters.norm(norm, in))
                .projection(0, parameters.withBias(path, out, in, 3, 3));
        return new Convolution(List.of(), form -> {
            ConvolutionText p = new ConvolutionText(0, "q", in, out, 3, 1, form);
            String forward =
                    Snippets.groupNorm("h", "x", "n", in, groups, eps) + "\nq = torch.silu_(h)\n" + p.forward("c0");
            String backward = p.sourceGradient("a", "d")
                    + Snippets.groupNorm("h", "x", "n", in, groups, eps) + "\n"
                    + Snippets.groupNormGradient("g", "torch.silu_backward(a, h)", "x", "m", "r", "n", in, groups)
                    + "\nreturn g";
            return new Kernels(
                    weights.kernel("x", forward + "return y0", 1),
                    weights.kernel("x", forward + "return (y0, x, hm, hr)", 4),
                    weights.kernel("d, x, m, r", backward, 1));
        });
    }

    @Override
    Kernels compile(Variant variant) {
        return compile.apply(variant.forms().isEmpty() ? DeltaForm.NONE : variant.form(0));
    }

    @Override
    List<NDArray> inputs(Pass pass, NDArray x, @Nullable NDArray skip) {
        return List.of(x);
    }
}
