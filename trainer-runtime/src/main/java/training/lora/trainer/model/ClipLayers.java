package training.lora.trainer.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.List;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.tensor.TorchScript;

/** The transformer that CLIP's towers share: (B, T, C) to (B, T, C), pre-norm, one native call a layer. */
final class ClipLayers {
    private final List<List<Parameter>> layers = new ArrayList<>();
    private final TorchScript function;

    /** @param causal whether a token sees only itself and those before it, as in the text tower */
    ClipLayers(ParameterSet parameters, String path, Config config, boolean causal) {
        long width = config.integer("hidden_size");
        long inner = config.integer("intermediate_size");
        int heads = config.integer("num_attention_heads");
        double eps = config.number("layer_norm_eps", 1e-5);
        for (int i = 0; i < config.integer("num_hidden_layers"); i++) {
            String layer = path + "." + i;
            List<Parameter> weights = new ArrayList<>();
            weights.addAll(List.of(parameters.withBias(layer + ".layer_norm1", width)));
            for (String name : List.of("q_proj", "k_proj", "v_proj", "out_proj")) {
                weights.addAll(List.of(parameters.withBias(layer + ".self_attn." + name, width, width)));
            }
            weights.addAll(List.of(parameters.withBias(layer + ".layer_norm2", width)));
            weights.addAll(List.of(parameters.withBias(layer + ".mlp.fc1", inner, width)));
            weights.addAll(List.of(parameters.withBias(layer + ".mlp.fc2", width, inner)));
            layers.add(weights);
        }
        String activation = config.text("hidden_act", "quick_gelu");
        String active =
                switch (activation) {
                    case "quick_gelu" -> "torch.mul(m, torch.sigmoid(torch.mul(m, 1.702)))";
                    case "gelu" -> "torch.gelu(m)";
                    default ->
                        throw new TrainerException(
                                Reason.InvalidBaseModel,
                                "`hidden_act` of " + path + " must be quick_gelu or gelu, was " + activation);
                };
        function = TorchScript.compile(
                "x, n1w, n1b, qw, qb, kw, kb, vw, vb, ow, ob, n2w, n2b, w1, b1, w2, b2",
                """
                n = torch.layer_norm(x, [%1$d], n1w, n1b, %2$s)
                s = [torch.size(x, 0), torch.size(x, 1), %3$d, %4$d]
                q = torch.transpose(torch.reshape(torch.linear(n, qw, qb), s), 1, 2)
                k = torch.transpose(torch.reshape(torch.linear(n, kw, kb), s), 1, 2)
                v = torch.transpose(torch.reshape(torch.linear(n, vw, vb), s), 1, 2)
                o = torch.scaled_dot_product_attention(q, k, v, None, 0., %5$s)
                f = torch.reshape(torch.transpose(o, 1, 2), [torch.size(x, 0), torch.size(x, 1), %1$d])
                y = torch.add(torch.linear(f, ow, ob), x)
                m = torch.linear(torch.layer_norm(y, [%1$d], n2w, n2b, %2$s), w1, b1)
                return torch.add(torch.linear(%6$s, w2, b2), y)
                """.formatted(width, eps, heads, width / heads, causal ? "True" : "False", active));
    }

    /** Number of layers. */
    int count() {
        return layers.size();
    }

    /** {@code x} behind all layers. */
    NDArray forward(NDManager scope, NDArray x) {
        return forward(scope, x, 0, count());
    }

    /** {@code x} behind the layers from {@code begin} to before {@code end}, at least one; a new array. */
    NDArray forward(NDManager scope, NDArray x, int begin, int end) {
        NDArray h = x;
        for (List<Parameter> layer : layers.subList(begin, end)) {
            List<NDArray> inputs = new ArrayList<>(List.of(h));
            layer.forEach(w -> inputs.add(w.array()));
            NDArray next = function.call(scope, inputs.toArray(NDArray[]::new));
            if (h != x) {
                h.close();
            }
            h = next;
        }
        return h;
    }
}
