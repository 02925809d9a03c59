package training.lora.trainer.model.text;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.List;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.model.layer.Attention;
import training.lora.trainer.model.layer.Chain;
import training.lora.trainer.model.layer.ClipMlp;
import training.lora.trainer.model.layer.ClipSizes;
import training.lora.trainer.model.layer.ClipSizesBuilder;
import training.lora.trainer.model.layer.Pass;
import training.lora.trainer.model.layer.Projection;
import training.lora.trainer.model.weights.Config;
import training.lora.trainer.model.weights.ParameterSet;

/** The transformer that CLIP's towers share: (B, T, C) to (B, T, C), pre-norm. */
final class ClipLayers {
    /** Of each layer its attention, then its MLP. */
    private final List<Chain.Step> steps = new ArrayList<>();

    /**
     * @param path of the layers' weights
     * @param prefix of their projections' paths
     * @param causal whether a token sees only itself and those before it, as in the text tower
     */
    ClipLayers(ParameterSet parameters, String path, String prefix, Config config, boolean causal) {
        ClipSizes sizes = ClipSizesBuilder.builder()
                .width(config.integer("hidden_size"))
                .inner(config.integer("intermediate_size"))
                .heads(config.integer("num_attention_heads"))
                .activation(activation(path, config.text("hidden_act", "quick_gelu")))
                .eps(config.number("layer_norm_eps", 1e-5))
                .build();
        for (int i = 0; i < config.integer("num_hidden_layers"); i++) {
            String layer = path + "." + i;
            steps.add(new Chain.Step(Attention.ofClip(parameters, layer, prefix, sizes, causal), false, false));
            steps.add(new Chain.Step(new ClipMlp(parameters, layer, prefix, sizes), false, false).within());
        }
    }

    private static ClipMlp.Activation activation(String path, String name) {
        return switch (name) {
            case "quick_gelu" -> ClipMlp.Activation.QuickGelu;
            case "gelu" -> ClipMlp.Activation.Gelu;
            default ->
                throw new TrainerException(
                        Reason.InvalidBaseModel,
                        "`hidden_act` of " + path + " must be quick_gelu or gelu, was " + name);
        };
    }

    /** Number of layers. */
    int count() {
        return steps.size() / 2;
    }

    /** What an adapter can stand beside. */
    List<Projection> projections() {
        return steps.stream().flatMap(s -> s.layer().projections().stream()).toList();
    }

    /** {@code x}, which is closed, behind all layers. */
    NDArray forward(NDManager scope, NDArray x) {
        return chain(0, count()).forward(Pass.plain(scope), x);
    }

    /** The layers from {@code begin} to before {@code end}. */
    Chain chain(int begin, int end) {
        return new Chain(steps.subList(2 * begin, 2 * end));
    }
}
