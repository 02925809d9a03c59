package training.lora.trainer.model.text;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.util.List;
import java.util.stream.IntStream;
import training.lora.trainer.model.layer.Chain;
import training.lora.trainer.model.layer.Projection;
import training.lora.trainer.model.layer.kernel.Snippets;
import training.lora.trainer.model.weights.Config;
import training.lora.trainer.model.weights.Parameter;
import training.lora.trainer.model.weights.ParameterSet;
import training.lora.trainer.model.weights.Weights;

/** CLIP's text tower: token ids (B, S) to (B, S, C). Weights and what is between them have the numbers of the set. */
final class TextTower {
    private static final String LAYERS = "text_model.encoder.layers";
    private static final String LAST_NORM = "text_model.final_layer_norm";

    private final ClipLayers layers;
    private final Parameter table;
    private final Weights.Kernel embed;
    private final Weights.Kernel embedAdded;
    private final Weights.Kernel norm;
    private final Weights.Kernel normGradient;
    private final Weights last;
    private final String lastText;

    /** @param prefix of the projections' paths */
    TextTower(ParameterSet parameters, String prefix, Config config) {
        long width = config.integer("hidden_size");
        table = parameters.embeddings(
                "text_model.embeddings.token_embedding.weight", config.integer("vocab_size"), width);
        Weights embeddings = new Weights()
                .add("e", table)
                .add(
                        "p",
                        parameters.embeddings(
                                "text_model.embeddings.position_embedding.weight",
                                config.integer("max_position_embeddings", 77),
                                width));
        layers = new ClipLayers(parameters, LAYERS, prefix, config, true);
        last = new Weights().add("n", parameters.norm(LAST_NORM, width));
        embed = embeddings.kernel(
                List.of("ids"),
                "",
                List.of("torch.add(torch.embedding(e, ids), torch.slice(p, 0, 0, torch.size(ids, 1)))"));
        // Row k of t at place s of text b, in the place of the vocabulary's.
        embedAdded = embeddings.kernel(
                List.of("ids", "b", "s", "k", "t"),
                """
                x = torch.embedding(e, ids)
                _0 = torch.index_put_(x, [b, s], torch.type_as(torch.embedding(t, k), x))
                """,
                List.of("torch.add(x, torch.slice(p, 0, 0, torch.size(ids, 1)))"));
        lastText = Snippets.layerNorm("n", "x", "n", width, config.number("layer_norm_eps", 1e-5));
        norm = last.kernel(List.of("x"), lastText, List.of("n", "nm", "nr"));
        normGradient = last.kernel(
                List.of("d", "x", "m", "r"),
                Snippets.layerNormGradient("g", "torch.type_as(d, x)", "x", "m", "r", "n", width),
                List.of("g"));
    }

    /** What an adapter can stand beside. */
    List<Projection> projections() {
        return layers.projections();
    }

    /** The last layer's output, normed, of {@code ids}, int64 (B, S). */
    NDArray forward(NDManager scope, NDArray ids) {
        NDArray h = layers.forward(scope, embed(scope, ids));
        NDList normed = normed(scope, h);
        h.close();
        return normed.get(0);
    }

    /** What makes {@link #embed} of ids. */
    Weights.Kernel embedding() {
        return embed;
    }

    /** The final layer norm of x alone. */
    Weights.Kernel normAlone() {
        return last.kernel(List.of("x"), lastText, List.of("n"));
    }

    /** Tokens with their positions, what stands before the first layer. */
    NDArray embed(NDManager scope, NDArray ids) {
        return embed.call(scope, ids);
    }

    /** The same with {@code embeddings} of added tokens (n, C) where {@code places} says so. */
    NDArray embed(NDManager scope, NDArray ids, AddedPlaces places, NDArray embeddings) {
        return embedAdded.call(scope, ids, places.texts(), places.positions(), places.tokens(), embeddings);
    }

    /**
     * Whether the weight {@code name} stands on the way to what all layers but the last {@code left} make.
     *
     * @param normed whether the final layer norm stands there too
     */
    boolean readsOf(String name, int left, boolean normed) {
        if (name.startsWith(LAST_NORM + ".")) {
            return normed;
        }
        return IntStream.range(layers.count() - left, layers.count())
                .noneMatch(layer -> name.startsWith(LAYERS + "." + layer + "."));
    }

    /** The embeddings that the vocabulary has, (V, C). */
    NDArray table() {
        return table.array();
    }

    /** All layers but the last {@code left}. */
    Chain before(int left) {
        return layers.chain(0, layers.count() - left);
    }

    /** The last {@code left} layers. */
    Chain last(int left) {
        return layers.chain(layers.count() - left, layers.count());
    }

    /** The final layer norm of {@code h}, then what {@link #normGradient} wants of it beside h. */
    NDList normed(NDManager scope, NDArray h) {
        return norm.callAll(scope, h);
    }

    /** The gradient of {@code h} from that of its norm. */
    NDArray normGradient(NDManager scope, NDArray gradient, NDArray h, NDList normed) {
        return normGradient.call(scope, gradient, h, normed.get(1), normed.get(2));
    }
}
