package training.lora.trainer.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Transformer2DModel of diffusers: pixels (B, C, H, W) as tokens (B, H W, C) through transformer blocks, and back with a
 * residual. A block (BasicTransformerBlock) is self-attention, cross-attention with the context (B, S, D) and a gated
 * feed-forward, each behind a layer norm and with a residual.
 */
final class SpatialTransformer {
    private static final double GROUP_NORM_EPS = 1e-6;
    private static final double LAYER_NORM_EPS = 1e-5;

    private SpatialTransformer() {}

    /** Puts its layers into {@code chain}; the output of the layer before must lie on the chain's stack. */
    static void append(
            List<Chain.Step> chain,
            ParameterSet parameters,
            List<Projection> projections,
            String path,
            long width,
            long context,
            int heads,
            int blocks,
            int groups,
            boolean linear) {
        // A 1x1 convolution is a linear map over tokens: the same weights in either shape.
        long[] shape = linear ? new long[] {width, width} : new long[] {width, width, 1, 1};
        chain.add(new Chain.Step(new Enter(parameters, path, width, groups, shape), false, false));
        for (int i = 0; i < blocks; i++) {
            String block = path + ".transformer_blocks." + i;
            for (Layer layer : List.of(
                    Attention.of(
                            parameters,
                            projections,
                            block + ".norm1",
                            block + ".attn1",
                            width,
                            0,
                            heads,
                            LAYER_NORM_EPS),
                    Attention.of(
                            parameters,
                            projections,
                            block + ".norm2",
                            block + ".attn2",
                            width,
                            context,
                            heads,
                            LAYER_NORM_EPS),
                    new FeedForward(parameters, block + ".norm3", block + ".ff", width, LAYER_NORM_EPS))) {
                chain.add(new Chain.Step(layer, false, false));
            }
        }
        chain.add(new Chain.Step(new Leave(parameters, path, width, shape), true, false));
    }

    /** Group norm and a linear map: (B, C, H, W) to (B, H W, C). */
    private static final class Enter implements Layer {
        private final Weights.Kernel forward;
        private final Weights.Kernel record;
        private final Weights.Kernel backward;

        Enter(ParameterSet parameters, String path, long width, int groups, long... shape) {
            Weights weights = new Weights()
                    .add("n", parameters.norm(path + ".norm", width))
                    .add("i", parameters.withBias(path + ".proj_in", shape));
            String text = Snippets.groupNorm("n", "x", "n", width, groups, GROUP_NORM_EPS) + """

                    t = torch.reshape(torch.permute(n, [0, 2, 3, 1]), [torch.size(x, 0), -1, %1$d])
                    y = torch.linear(t, torch.reshape(iw, [%1$d, %1$d]), ib)
                    """.formatted(width);
            forward = weights.kernel("x", text + "return y", 1);
            record = weights.kernel("x", text + "return (y, x, nm, nr)", 4);
            backward = weights.kernel(
                    "d, x, m, r",
                    """
                    t = torch.matmul(d, torch.reshape(iw, [%1$d, %1$d]))
                    p = torch.permute(torch.reshape(t, [torch.size(x, 0), torch.size(x, 2), torch.size(x, 3), %1$d]), [0, 3, 1, 2])
                    """.formatted(width) + Snippets.groupNormGradient("g", "p", "x", "m", "r", "n", width, groups)
                            + "\nreturn g",
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

    /** A linear map and the residual from before {@link Enter}: (B, H W, C) to (B, C, H, W). Keeps nothing. */
    private static final class Leave implements Layer {
        private final Weights.Kernel forward;
        private final Weights.Kernel backward;

        Leave(ParameterSet parameters, String path, long width, long... shape) {
            Weights weights = new Weights().add("o", parameters.withBias(path + ".proj_out", shape));
            forward = weights.kernel("t, x", """
                    y = torch.linear(t, torch.reshape(ow, [%1$d, %1$d]), ob)
                    p = torch.reshape(y, [torch.size(x, 0), torch.size(x, 2), torch.size(x, 3), %1$d])
                    return torch.add_(torch.permute(p, [0, 3, 1, 2]), x)
                    """.formatted(width), 1);
            backward = weights.kernel("d", """
                    t = torch.reshape(torch.permute(d, [0, 2, 3, 1]), [torch.size(d, 0), -1, %1$d])
                    return (torch.matmul(t, torch.reshape(ow, [%1$d, %1$d])), d)
                    """.formatted(width), 2);
        }

        @Override
        public NDArray forward(Pass pass, NDArray x, @Nullable NDArray skip) {
            return forward.call(pass.scope(), x, Objects.requireNonNull(skip));
        }

        @Override
        public NDList record(Pass pass, NDArray x, @Nullable NDArray skip) {
            return new NDList(forward(pass, x, skip));
        }

        @Override
        public NDList backward(Pass pass, NDArray dy, NDList kept) {
            return backward.callAll(pass.scope(), dy);
        }
    }
}
