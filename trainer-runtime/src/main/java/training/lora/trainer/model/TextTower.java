package training.lora.trainer.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import training.lora.trainer.tensor.TorchScript;

/** CLIP's text tower up to the final layer norm: token ids (B, S) to (B, S, C). */
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

    /** @param ids int64 (B, S) */
    NDArray forward(NDManager scope, NDArray ids) {
        NDArray x = embed.call(scope, ids, tokens.array(), positions.array());
        NDArray h = layers.forward(scope, x);
        NDArray y = finish.call(scope, h, norm[0].array(), norm[1].array());
        x.close();
        h.close();
        return y;
    }
}
