package training.lora.trainer.model.layer;

import ai.djl.ndarray.NDArray;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.model.layer.kernel.ConvolutionText;
import training.lora.trainer.model.layer.kernel.DeltaForm;
import training.lora.trainer.model.layer.kernel.ProjectionText;
import training.lora.trainer.model.layer.kernel.Snippets;
import training.lora.trainer.model.weights.ParameterSet;
import training.lora.trainer.model.weights.Weights;

/**
 * A convolution with bias, by itself or with what stands directly before it: (B, in, H, W) to (B, out, H', W'). A frozen
 * convolution keeps nothing for its backward, its norm the input and two numbers a group; an adapted one keeps its input.
 */
public final class Convolution extends AdaptedLayer {
    private final Function<DeltaForm, Kernels> compile;

    private Convolution(List<Projection> projections, Function<DeltaForm, Kernels> compile) {
        super(projections);
        this.compile = compile;
    }

    /** Without an adapter, by itself. */
    public static Convolution plain(ParameterSet parameters, String path, long in, long out, int kernel) {
        Weights weights = new Weights().projection(0, parameters.withBias(path, out, in, kernel, kernel));
        return new Convolution(
                List.of(),
                form -> kernels(weights, new ConvolutionText(0, "x", in, out, kernel, 1), form, "", "g", ""));
    }

    /** Halves height and width. */
    public static Convolution down(ParameterSet parameters, String path, long channels) {
        Weights weights = new Weights().projection(0, parameters.withBias(path, channels, channels, 3, 3));
        return new Convolution(
                sampler(path, channels),
                form -> kernels(weights, new ConvolutionText(0, "x", channels, channels, 3, 2), form, "", "g", ""));
    }

    /** Doubles height and width (nearest neighbour), then convolves. */
    public static Convolution up(ParameterSet parameters, String path, long channels) {
        Weights weights = new Weights().projection(0, parameters.withBias(path, channels, channels, 3, 3));
        return new Convolution(
                sampler(path, channels),
                form -> kernels(
                        weights,
                        new ConvolutionText(0, "h", channels, channels, 3, 1),
                        form,
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
     * x is what comes in, y0 the result, d and g their gradients; adapted, x is kept.
     *
     * @param before makes the convolution's source from x
     * @param ds name of the source's gradient
     * @param after makes {@code g}, x's gradient, from it
     */
    private static Kernels kernels(
            Weights weights, ConvolutionText map, DeltaForm form, String before, String ds, String after) {
        ProjectionText p = ProjectionText.of(map, form);
        List<String> inputs = names(List.of("x"), p.delta().arrays());
        Weights.Kernel forward = weights.kernel(inputs, before + p.forward("c0"), List.of("y0"));
        String gradients = p.arrayGradients("d") + p.sourceGradient(ds, "d") + after;
        if (!p.adapted()) {
            return new Kernels(forward, forward, weights.kernel(List.of("d"), gradients, List.of("g")));
        }
        List<String> kept = p.delta().kept();
        return new Kernels(
                forward,
                weights.kernel(inputs, before + p.record("c0"), names(List.of("y0", "x"), kept)),
                weights.kernel(
                        names(
                                List.of("d", "x"),
                                kept,
                                p.delta().arrays(),
                                p.delta().gradients()),
                        before + gradients,
                        List.of("g")));
    }

    /**
     * Group norm and SiLU, then convolves; without an adapter. x (B, in, H, W), h its norm, q = silu(h), y0 the result; hm
     * and hr, in the backward m and r, (B, groups): mean and reciprocal deviation, kept with x; d, a, g: gradients of y0, q
     * and x.
     */
    public static Convolution normed(
            ParameterSet parameters, String norm, String path, long in, long out, int groups, double eps) {
        Weights weights = new Weights()
                .add("n", parameters.norm(norm, in))
                .projection(0, parameters.withBias(path, out, in, 3, 3));
        return new Convolution(List.of(), form -> {
            ProjectionText p = ProjectionText.of(new ConvolutionText(0, "q", in, out, 3, 1), form);
            String forward =
                    Snippets.groupNorm("h", "x", "n", in, groups, eps) + "\nq = torch.silu_(h)\n" + p.forward("c0");
            String backward = p.sourceGradient("a", "d")
                    + Snippets.groupNorm("h", "x", "n", in, groups, eps) + "\n"
                    + Snippets.groupNormGradient("g", "torch.silu_backward(a, h)", "x", "m", "r", "n", in, groups);
            return new Kernels(
                    weights.kernel(List.of("x"), forward, List.of("y0")),
                    weights.kernel(List.of("x"), forward, List.of("y0", "x", "hm", "hr")),
                    weights.kernel(List.of("d", "x", "m", "r"), backward, List.of("g")));
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
