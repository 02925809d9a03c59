package training.lora.trainer.model.layer;

import ai.djl.ndarray.NDArray;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.model.layer.kernel.ProjectionText;
import training.lora.trainer.model.layer.kernel.Snippets;
import training.lora.trainer.model.weights.Parameter;
import training.lora.trainer.model.weights.ParameterSet;
import training.lora.trainer.model.weights.Weights;

/**
 * Transformer2DModel of diffusers: pixels (B, C, H, W) as tokens (B, H W, C) through transformer blocks, and back with a
 * residual. A block (BasicTransformerBlock) is self-attention, cross-attention with the context (B, S, D) and a gated
 * feed-forward, each behind a layer norm and with a residual.
 */
public final class SpatialTransformer {
    private static final double GROUP_NORM_EPS = 1e-6;
    private static final double LAYER_NORM_EPS = 1e-5;

    private SpatialTransformer() {}

    /** Puts its layers into {@code chain}; the output of the layer before must lie on the chain's stack. */
    public static void append(List<Chain.Step> chain, ParameterSet parameters, String path, TransformerSizes sizes) {
        long width = sizes.width();
        chain.add(new Chain.Step(new Enter(parameters, path, width, sizes.groups(), sizes.linear()), false, false));
        for (int i = 0; i < sizes.blocks(); i++) {
            String block = path + ".transformer_blocks." + i;
            Chain.Step first =
                    new Chain.Step(Attention.of(parameters, block, false, sizes, LAYER_NORM_EPS), false, false);
            chain.add(i == 0 ? first.within() : first);
            for (Layer layer : List.of(
                    Attention.of(parameters, block, true, sizes, LAYER_NORM_EPS),
                    new FeedForward(parameters, block + ".norm3", block + ".ff", width, LAYER_NORM_EPS))) {
                chain.add(new Chain.Step(layer, false, false).within());
            }
        }
        chain.add(new Chain.Step(new Leave(parameters, path, width, sizes.linear()), true, false).within());
    }

    private static List<Projection> projection(String path, long width, boolean linear) {
        return List.of(new Projection(path, width, width, linear ? 0 : 1, Projection.Group.FeedForward));
    }

    private static Weights weights(ParameterSet parameters, String path, long width, boolean linear) {
        // A 1x1 convolution is a linear map over tokens: the same weights in either shape.
        long[] shape = linear ? new long[] {width, width} : new long[] {width, width, 1, 1};
        return new Weights().add("l", parameters.withBias(path, shape));
    }

    private static String matrix(long width) {
        return "w0 = torch.reshape(lw, [%1$d, %1$d])\n".formatted(width);
    }

    /**
     * Group norm and a linear map: (B, C, H, W) to (B, H W, C). x is what comes in, n its norm; nm and nr, in the backward m
     * and r, (B, groups): mean and reciprocal deviation, kept with x; s0 (B H W, C): pixels of n; y0 (B H W, C), y (B, H W,
     * C); d, d0, t, p, g: gradients of y, y0, s0, n and x.
     */
    private static final class Enter extends AdaptedLayer {
        private final Weights weights;
        private final long width;
        private final int groups;

        Enter(ParameterSet parameters, String path, long width, int groups, boolean linear) {
            super(projection(path + ".proj_in", width, linear));
            this.width = width;
            this.groups = groups;
            Parameter[] norm = parameters.norm(path + ".norm", width);
            weights = SpatialTransformer.weights(parameters, path + ".proj_in", width, linear)
                    .add("n", norm);
        }

        @Override
        Kernels compile(Variant variant) {
            ProjectionText p = ProjectionText.linear(0, "s0", variant.form(0));
            String source = "s0 = torch.reshape(torch.permute(n, [0, 2, 3, 1]), [-1, %d])\n".formatted(width);
            String enter =
                    Snippets.groupNorm("n", "x", "n", width, groups, GROUP_NORM_EPS) + "\n" + source + matrix(width);
            String leave = "y = torch.reshape(y0, [torch.size(x, 0), -1, %d])\n".formatted(width);
            String again =
                    p.adapted() ? Snippets.groupNorm("n", "x", "n", width, groups, GROUP_NORM_EPS) + "\n" + source : "";
            String backward = again
                    + matrix(width)
                    + "d0 = torch.reshape(d, [-1, %d])\n".formatted(width)
                    + p.arrayGradients("d0")
                    + p.sourceGradient("t", "d0")
                    + """
                    p = torch.permute(torch.reshape(t, [torch.size(x, 0), torch.size(x, 2), torch.size(x, 3), %d]), [0, 3, 1, 2])
                    """.formatted(width)
                    + Snippets.groupNormGradient("g", "p", "x", "m", "r", "n", width, groups);
            List<String> inputs = names(List.of("x"), p.delta().arrays());
            List<String> kept = p.delta().kept();
            return new Kernels(
                    weights.kernel(inputs, enter + p.forward("lb") + leave, List.of("y")),
                    weights.kernel(inputs, enter + p.record("lb") + leave, names(List.of("y", "x", "nm", "nr"), kept)),
                    weights.kernel(
                            names(
                                    List.of("d", "x", "m", "r"),
                                    kept,
                                    p.delta().arrays(),
                                    p.delta().gradients()),
                            backward,
                            List.of("g")));
        }

        @Override
        List<NDArray> inputs(Pass pass, NDArray x, @Nullable NDArray skip) {
            return List.of(x);
        }
    }

    /**
     * A linear map and the residual from before {@link Enter}: (B, H W, C) to (B, C, H, W). t is what comes in, kept where
     * it is adapted, x (B, C, H, W) the residual; s0 (B H W, C): rows of t; y0 (B H W, C), y (B, C, H, W); d, d0, g:
     * gradients of y, which is that of x too, of y0 and of s0.
     */
    private static final class Leave extends AdaptedLayer {
        private final Weights weights;
        private final long width;

        Leave(ParameterSet parameters, String path, long width, boolean linear) {
            super(projection(path + ".proj_out", width, linear));
            this.width = width;
            weights = SpatialTransformer.weights(parameters, path + ".proj_out", width, linear);
        }

        @Override
        Kernels compile(Variant variant) {
            ProjectionText p = ProjectionText.linear(0, "s0", variant.form(0));
            String enter = matrix(width) + "s0 = torch.reshape(t, [-1, %d])\n".formatted(width);
            String leave = """
                    p = torch.reshape(y0, [torch.size(x, 0), torch.size(x, 2), torch.size(x, 3), %d])
                    y = torch.add_(torch.permute(p, [0, 3, 1, 2]), x)
                    """.formatted(width);
            List<String> inputs = names(List.of("t", "x"), p.delta().arrays());
            List<String> kept = p.delta().kept();
            Weights.Kernel forward = weights.kernel(inputs, enter + p.forward("lb") + leave, List.of("y"));
            Weights.Kernel record = p.adapted()
                    ? weights.kernel(inputs, enter + p.record("lb") + leave, names(List.of("y", "t"), kept))
                    : forward;
            String backward = "d0 = torch.reshape(torch.permute(d, [0, 2, 3, 1]), [-1, %d])\n".formatted(width)
                    + p.arrayGradients("d0")
                    + p.sourceGradient("g", "d0");
            List<String> gradients = List.of("torch.reshape(g, [torch.size(d, 0), -1, %d])".formatted(width), "d");
            return new Kernels(
                    forward,
                    record,
                    p.adapted()
                            ? weights.kernel(
                                    names(
                                            List.of("d", "t"),
                                            kept,
                                            p.delta().arrays(),
                                            p.delta().gradients()),
                                    enter + backward,
                                    gradients)
                            : weights.kernel(List.of("d"), matrix(width) + backward, gradients));
        }

        @Override
        List<NDArray> inputs(Pass pass, NDArray x, @Nullable NDArray skip) {
            return List.of(x, Objects.requireNonNull(skip));
        }
    }
}
