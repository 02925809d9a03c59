package training.lora.trainer.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * ResnetBlock2D of diffusers: (B, in, H, W) to (B, out, H, W); y = skip(x) + conv2(silu(norm2(conv1(silu(norm1(x))) +
 * time))). It keeps x, the middle and the norms' numbers; the norms are computed again on the way back.
 */
final class ResnetBlock implements Layer {
    private final boolean timed;
    private final boolean joining;
    private final Weights.Kernel forward;
    private final Weights.Kernel record;
    private final Weights.Kernel backward;

    /**
     * @param in channels that come from the layer before
     * @param skipped channels that a skip connection puts behind them; 0 for none
     * @param timeWidth width of the time embedding; 0 for none, as in an autoencoder
     */
    ResnetBlock(
            ParameterSet parameters,
            String path,
            long in,
            long skipped,
            long out,
            long timeWidth,
            int groups,
            double eps) {
        timed = timeWidth > 0;
        joining = skipped > 0;
        long all = in + skipped;
        boolean shortcut = all != out;
        Weights weights = new Weights()
                .add("n1", parameters.norm(path + ".norm1", all))
                .add("c1", parameters.withBias(path + ".conv1", out, all, 3, 3));
        if (timed) {
            weights.add("tp", parameters.withBias(path + ".time_emb_proj", out, timeWidth));
        }
        weights.add("n2", parameters.norm(path + ".norm2", out))
                .add("c2", parameters.withBias(path + ".conv2", out, out, 3, 3));
        if (shortcut) {
            weights.add("s", parameters.withBias(path + ".conv_shortcut", out, all, 1, 1));
        }

        List<String> body = new ArrayList<>();
        String x = joining ? "x" : "a";
        if (joining) {
            body.add("x = torch.cat([a, k], 1)");
        }
        body.add(Snippets.groupNorm("n1", x, "n1", all, groups, eps));
        body.add(Snippets.convolution3("h", "torch.silu_(n1)", "c1", all, out));
        if (timed) {
            body.add("t0 = torch.linear(torch.silu(t), tpw, tpb)");
            body.add("_0 = torch.add_(h, torch.unsqueeze(torch.unsqueeze(t0, -1), -1))");
        }
        body.add(Snippets.groupNorm("n2", "h", "n2", out, groups, eps));
        body.add(Snippets.convolution3("y", "torch.silu_(n2)", "c2", out, out));
        if (shortcut) {
            body.add(Snippets.convolution("s", x, "s", 1, 0));
        }
        body.add("_1 = torch.add_(y, %s)".formatted(shortcut ? "s" : x));
        String inputs = "a" + (joining ? ", k" : "");
        String text = String.join("\n", body);
        String arguments = inputs + (timed ? ", t" : "");
        forward = weights.kernel(arguments, text + "\nreturn y", 1);
        record = weights.kernel(
                arguments, text + "\nreturn (y, %s, h, n1m, n1r, n2m, n2r)".formatted(inputs), joining ? 8 : 7);

        body.clear();
        if (joining) {
            body.add("x = torch.cat([a, k], 1)");
        }
        body.add(Snippets.convolutionGradient("g0", "d", "c2", out, 1, 1));
        body.add(Snippets.groupNorm("n2", "h", "n2", out, groups, eps));
        body.add("g1 = torch.silu_backward(g0, n2)");
        body.add(Snippets.groupNormGradient("g2", "g1", "h", "m2", "r2", "n2", out, groups));
        body.add(Snippets.convolutionGradient("g3", "g2", "c1", all, 1, 1));
        body.add(Snippets.groupNorm("n1", x, "n1", all, groups, eps));
        body.add("g4 = torch.silu_backward(g3, n1)");
        body.add(Snippets.groupNormGradient("g", "g4", x, "m1", "r1", "n1", all, groups));
        if (shortcut) {
            body.add(Snippets.convolutionGradient("s", "d", "s", all, 1, 0));
        }
        body.add("_1 = torch.add_(g, %s)".formatted(shortcut ? "s" : "d"));
        body.add(joining ? "return (%s, %s)".formatted(part(0, in), part(in, all)) : "return g");
        backward = weights.kernel("d, " + inputs + ", h, m1, r1, m2, r2", String.join("\n", body), joining ? 2 : 1);
    }

    private static String part(long from, long to) {
        return "torch.contiguous(torch.slice(g, 1, %d, %d), memory_format=2)".formatted(from, to);
    }

    private NDArray[] inputs(Pass pass, NDArray x, @Nullable NDArray skip) {
        List<NDArray> inputs = new ArrayList<>(List.of(x));
        if (joining) {
            inputs.add(java.util.Objects.requireNonNull(skip));
        }
        if (timed) {
            inputs.add(pass.requireTime());
        }
        return inputs.toArray(NDArray[]::new);
    }

    @Override
    public NDArray forward(Pass pass, NDArray x, @Nullable NDArray skip) {
        return forward.call(pass.scope(), inputs(pass, x, skip));
    }

    @Override
    public NDList record(Pass pass, NDArray x, @Nullable NDArray skip) {
        return record.callAll(pass.scope(), inputs(pass, x, skip));
    }

    @Override
    public NDList backward(Pass pass, NDArray dy, NDList kept) {
        return backward.callAll(pass.scope(), dy, kept);
    }
}
