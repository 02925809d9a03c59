package training.lora.trainer.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import training.lora.trainer.tensor.TorchScript;

/** CLIP's text tower: token ids (B, S) to (B, S, C). */
final class TextTower {
    private final Parameter tokens;
    private final Parameter positions;
    private final ClipLayers layers;
    private final Parameter[] norm;
    private final TorchScript embed;
    private final TorchScript finish;

    TextTower(ParameterSet parameters, Config config) {
        long width = config.integer("hidden_size");
        tokens =
                parameters.declare("text_model.embeddings.token_embedding.weight", config.integer("vocab_size"), width);
        positions = parameters.declare(
                "text_model.embeddings.position_embedding.weight",
                config.integer("max_position_embeddings", 77),
                width);
        layers = new ClipLayers(parameters, "text_model.encoder.layers", config, true);
        norm = parameters.withBias("text_model.final_layer_norm", width);
        embed = TorchScript.compile(
                "ids, t, p", "return torch.add(torch.embedding(t, ids), torch.slice(p, 0, 0, torch.size(ids, 1)))");
        finish = TorchScript.compile(
                "x, w, b",
                "return torch.layer_norm(x, [%d], w, b, %s)".formatted(width, config.number("layer_norm_eps", 1e-5)));
    }

    /** The last layer's output, normed, of {@code ids}, int64 (B, S). */
    NDArray forward(NDManager scope, NDArray ids) {
        try (NDArray h = hidden(scope, ids, 0)) {
            return normed(scope, h);
        }
    }

    /** What stands before the last {@code left} layers. */
    NDArray hidden(NDManager scope, NDArray ids, int left) {
        try (NDArray x = embed.call(scope, ids, tokens.array(), positions.array())) {
            return layers.forward(scope, x, 0, layers.count() - left);
        }
    }

    /** {@code h} behind the last {@code left} layers. */
    NDArray onward(NDManager scope, NDArray h, int left) {
        return layers.forward(scope, h, layers.count() - left, layers.count());
    }

    /** The final layer norm. */
    NDArray normed(NDManager scope, NDArray h) {
        return finish.call(scope, h, norm[0].array(), norm[1].array());
    }
}
