package training.lora.trainer.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.tensor.TorchScript;

/**
 * BasicTransformerBlock of diffusers over tokens (B, T, C): self-attention, cross-attention with a context (B, S, D),
 * and a gated feed-forward, each behind a layer norm and with a residual. One native call each.
 */
final class TransformerBlock {
    private static final double NORM_EPS = 1e-5;

    private final Attention self;
    private final Attention cross;
    private final TorchScript feedForward;
    private final List<Parameter> feedForwardWeights = new ArrayList<>();

    TransformerBlock(
            ParameterSet parameters, List<Projection> projections, String path, long width, long context, int heads) {
        self = new Attention(parameters, projections, path + ".norm1", path + ".attn1", width, 0, heads);
        cross = new Attention(parameters, projections, path + ".norm2", path + ".attn2", width, context, heads);
        feedForwardWeights.addAll(List.of(parameters.withBias(path + ".norm3", width)));
        feedForwardWeights.addAll(List.of(parameters.withBias(path + ".ff.net.0.proj", 8 * width, width)));
        feedForwardWeights.addAll(List.of(parameters.withBias(path + ".ff.net.2", width, 4 * width)));
        feedForward =
                TorchScript.compile("x, nw, nb, w1, b1, w2, b2", """
                n = torch.layer_norm(x, [%1$d], nw, nb, %2$s)
                p = torch.linear(n, w1, b1)
                h = torch.slice(p, -1, 0, %3$d)
                g = torch.slice(p, -1, %3$d, %4$d)
                return torch.add(torch.linear(torch.mul(h, torch.gelu(g)), w2, b2), x)
                """.formatted(width, NORM_EPS, 4 * width, 8 * width));
    }

    NDArray forward(NDManager manager, NDArray x, NDArray context, ProjectionDeltas deltas) {
        NDArray a = self.forward(manager, x, null, deltas);
        NDArray b = cross.forward(manager, a, context, deltas);
        a.close();
        List<NDArray> inputs = new ArrayList<>(List.of(b));
        feedForwardWeights.forEach(w -> inputs.add(w.array()));
        NDArray y = feedForward.call(manager, inputs.toArray(NDArray[]::new));
        b.close();
        return y;
    }

    /** x + out(softmax(q k^T / sqrt(d)) v), with an adapter's low-rank part beside each of the four projections. */
    private static final class Attention {
        private static final String[] NAMES = {"to_q", "to_k", "to_v", "to_out.0"};

        private final long width;
        private final int heads;
        private final String path;
        private final List<Parameter> weights = new ArrayList<>();

        /** By the adapter's scales, of which a run has one set: the text is made once, not at every step. */
        private final Map<List<Double>, TorchScript> functions = new ConcurrentHashMap<>();

        Attention(
                ParameterSet parameters,
                List<Projection> projections,
                String norm,
                String path,
                long width,
                long context,
                int heads) {
            this.width = width;
            this.heads = heads;
            this.path = path;
            weights.addAll(List.of(parameters.withBias(norm, width)));
            long source = context > 0 ? context : width;
            for (String name : NAMES) {
                long in = name.equals("to_k") || name.equals("to_v") ? source : width;
                weights.add(parameters.declare(path + "." + name + ".weight", width, in));
                projections.add(new Projection(path + "." + name, in, width, Projection.Group.Attention));
            }
            weights.add(parameters.declare(path + ".to_out.0.bias", width));
        }

        NDArray forward(NDManager manager, NDArray x, @Nullable NDArray context, ProjectionDeltas deltas) {
            List<NDArray> values = new ArrayList<>(List.of(x));
            if (context != null) {
                values.add(context);
            }
            weights.forEach(w -> values.add(w.array()));
            List<Double> scales = new ArrayList<>();
            for (String name : NAMES) {
                ProjectionDeltas.LowRank delta = deltas.at(path + "." + name);
                scales.add(delta == null ? Double.NaN : delta.scale());
                if (delta != null) {
                    values.add(delta.down());
                    values.add(delta.up());
                }
            }
            return functions
                    .computeIfAbsent(scales, s -> compile(context != null, s))
                    .call(manager, values.toArray(NDArray[]::new));
        }

        /** @param scales of the low-rank part at each projection, NaN where there is none */
        private TorchScript compile(boolean crossed, List<Double> scales) {
            List<String> inputs = new ArrayList<>(crossed ? List.of("x", "c") : List.of("x"));
            inputs.addAll(List.of("nw", "nb", "w0", "w1", "w2", "w3", "ob"));
            List<String> body = new ArrayList<>();
            body.add("n = torch.layer_norm(x, [%d], nw, nb, %s)".formatted(width, NORM_EPS));
            for (int i = 0; i < 3; i++) {
                String source = i > 0 && crossed ? "c" : "n";
                project(body, inputs, i, source, scales.get(i), "torch.linear(%s, w%d)".formatted(source, i));
                body.add(
                        "h%1$d = torch.transpose(torch.reshape(y%1$d, [torch.size(y%1$d, 0), torch.size(y%1$d, 1), %2$d, %3$d]), 1, 2)"
                                .formatted(i, heads, width / heads));
            }
            body.add("o = torch.scaled_dot_product_attention(h0, h1, h2)");
            body.add("f = torch.reshape(torch.transpose(o, 1, 2), [torch.size(x, 0), torch.size(x, 1), %d])"
                    .formatted(width));
            project(body, inputs, 3, "f", scales.get(3), "torch.linear(f, w3, ob)");
            body.add("return torch.add(y3, x)");
            return TorchScript.compile(inputs, body, 1);
        }

        private static void project(
                List<String> body, List<String> inputs, int i, String source, double scale, String frozen) {
            if (Double.isNaN(scale)) {
                body.add("y%d = %s".formatted(i, frozen));
                return;
            }
            inputs.add("a" + i);
            inputs.add("b" + i);
            body.add("y%1$d = torch.add(%2$s, torch.linear(torch.linear(%3$s, a%1$d), b%1$d), alpha=%4$s)"
                    .formatted(i, frozen, source, scale));
        }
    }
}
