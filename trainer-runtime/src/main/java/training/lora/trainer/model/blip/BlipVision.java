package training.lora.trainer.model.blip;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import training.lora.trainer.model.weights.Config;
import training.lora.trainer.model.weights.ParameterSet;
import training.lora.trainer.model.weights.Weights;
import training.lora.trainer.tensor.Template;

/** BLIP's vision transformer: pictures (B, 3, S, S) in [0, 1] to tokens (B, N, C), pre-norm. */
final class BlipVision {
    /** OpenAI's normalisation of pixels, which BLIP takes over. */
    private static final String MEAN = "[0.48145466, 0.4578275, 0.40821073]";

    private static final String DEVIATION = "[0.26862954, 0.26130258, 0.27577711]";

    private final int imageSize;
    private final long width;
    private final Weights.Kernel embed;
    private final List<Weights.Kernel> layers = new ArrayList<>();
    private final Weights.Kernel leave;

    BlipVision(ParameterSet parameters, Config config) {
        width = config.integer("hidden_size", 768);
        imageSize = config.integer("image_size", 384);
        int patch = config.integer("patch_size", 16);
        int heads = config.integer("num_attention_heads", 12);
        long inner = config.integer("intermediate_size", 3072);
        double eps = config.number("layer_norm_eps", 1e-5);
        config.mustBe("hidden_act", "gelu");
        long count = (long) (imageSize / patch) * (imageSize / patch) + 1;
        embed = new Weights()
                .add("c", parameters.declare("vision_model.embeddings.class_embedding", 1, 1, width))
                .add("p", parameters.declare("vision_model.embeddings.position_embedding", 1, count, width))
                .add("e", parameters.withBias("vision_model.embeddings.patch_embedding", width, 3, patch, patch))
                .kernel(
                        List.of("x"),
                        Template.fill(
                                """
                        m = torch.reshape(torch.type_as(torch.tensor({mean}, dtype=6, device=ops.prim.device(x), requires_grad=False), x), [1, 3, 1, 1])
                        s = torch.reshape(torch.type_as(torch.tensor({deviation}, dtype=6, device=ops.prim.device(x), requires_grad=False), x), [1, 3, 1, 1])
                        h = torch.conv2d(torch.div(torch.sub(x, m), s), ew, eb, [{patch}, {patch}], [0, 0], [1, 1], 1)
                        k = torch.expand(c, [torch.size(x, 0), 1, {width}])
                        t = torch.cat([k, torch.transpose(torch.flatten(h, 2), 1, 2)], 1)
                        """, Map.of("mean", MEAN, "deviation", DEVIATION, "patch", patch, "width", width)),
                        List.of("torch.add(t, p)"));
        for (int i = 0; i < config.integer("num_hidden_layers", 12); i++) {
            String path = "vision_model.encoder.layers." + i + ".";
            layers.add(new Weights()
                    .add("n", parameters.norm(path + "layer_norm1", width))
                    .add("a", parameters.withBias(path + "self_attn.qkv", 3 * width, width))
                    .add("o", parameters.withBias(path + "self_attn.projection", width, width))
                    .add("k", parameters.norm(path + "layer_norm2", width))
                    .add("f", parameters.withBias(path + "mlp.fc1", inner, width))
                    .add("g", parameters.withBias(path + "mlp.fc2", width, inner))
                    .kernel(
                            List.of("x"),
                            Template.fill(
                                    """
                            h = torch.linear(torch.layer_norm(x, [{width}], nw, nb, {eps}), aw, ab)
                            q = torch.permute(torch.reshape(h, [torch.size(x, 0), torch.size(x, 1), 3, {heads}, {size}]), [2, 0, 3, 1, 4])
                            t = torch.scaled_dot_product_attention(torch.select(q, 0, 0), torch.select(q, 0, 1), torch.select(q, 0, 2), None, 0., False)
                            y = torch.add(x, torch.linear(torch.reshape(torch.transpose(t, 1, 2), [torch.size(x, 0), -1, {width}]), ow, ob))
                            z = torch.gelu(torch.linear(torch.layer_norm(y, [{width}], kw, kb, {eps}), fw, fb))
                            """, Map.of("width", width, "eps", eps, "heads", heads, "size", width / heads)),
                            List.of("torch.add(y, torch.linear(z, gw, gb))")));
        }
        leave = new Weights()
                .add("n", parameters.norm("vision_model.post_layernorm", width))
                .kernel(List.of("x"), "", List.of("torch.layer_norm(x, [%d], nw, nb, %s)".formatted(width, eps)));
    }

    long width() {
        return width;
    }

    int imageSize() {
        return imageSize;
    }

    NDArray forward(NDArray pictures) {
        NDManager scope = pictures.getManager();
        try (NDManager inner = scope.newSubManager()) {
            NDArray x = embed.call(inner, pictures);
            for (Weights.Kernel layer : layers) {
                NDArray y = layer.call(inner, x);
                x.close();
                x = y;
            }
            return leave.call(scope, x);
        }
    }
}
