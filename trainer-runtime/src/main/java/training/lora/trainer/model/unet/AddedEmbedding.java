package training.lora.trainer.model.unet;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.model.layer.WeightGradients;
import training.lora.trainer.model.layer.kernel.Snippets;
import training.lora.trainer.model.weights.Parameter;
import training.lora.trainer.model.weights.ParameterSet;
import training.lora.trainer.model.weights.Weights;

/**
 * What SDXL adds to the embedding of the time (B, W): that of the pooled text (B, P) and the picture's sizes (B, 6), W2
 * silu(W1 [pooled, waves of sizes]).
 */
final class AddedEmbedding {
    private final Weights.Kernel forward;
    private final Weights.Kernel backward;
    private Weights.@Nullable Kernel gradients;

    AddedEmbedding(ParameterSet parameters, UNetConfig.Addition addition, long time) {
        Weights weights = new Weights()
                .add("i", parameters.withBias("add_embedding.linear_1", time, addition.inputWidth()))
                .add("o", parameters.withBias("add_embedding.linear_2", time, time));
        String hidden = """
                x = torch.reshape(sizes, [-1])
                """ + Snippets.waves("x", addition.sizeWidth()) + """
                s = torch.cat([torch.type_as(p, iw), torch.type_as(torch.reshape(w, [torch.size(p, 0), -1]), iw)], 1)
                h = torch.linear(s, iw, ib)
                """;
        forward = weights.kernel(
                List.of("t", "p", "sizes"), hidden, List.of("torch.add(t, torch.linear(torch.silu(h), ow, ob))"));
        backward = weights.kernel(
                List.of("d", "p", "sizes"),
                hidden + "dh = torch.silu_backward(torch.mm(torch.type_as(d, ow), ow), h)",
                List.of("torch.to(torch.mm(dh, torch.slice(iw, 1, 0, %d)), 6)".formatted(addition.pooledWidth())));
    }

    /** {@code time} (B, W) with what is added to it. */
    NDArray forward(NDManager scope, NDArray time, Conditioning told) {
        return forward.call(scope, time, pooled(told), sizes(told));
    }

    /** The gradient of the pooled text (B, P), fp32, from that of the sum (B, W). */
    NDArray backward(NDManager scope, NDArray gradient, Conditioning told) {
        return backward.call(scope, gradient, pooled(told), sizes(told));
    }

    /**
     * Hands the gradients of its own weights on, given that of the sum (B, W), which is the gradient of the time as well.
     */
    void takeGradients(NDManager scope, NDArray gradient, NDArray time, Conditioning told, WeightGradients taker) {
        if (gradients == null) {
            gradients = forward.gradients(List.of());
        }
        taker.takeLast(forward.weights(), gradients.callAll(scope, gradient, time, pooled(told), sizes(told)));
    }

    /** Its weights. */
    List<Parameter> weights() {
        return forward.weights();
    }

    private static NDArray pooled(Conditioning told) {
        return Objects.requireNonNull(told.pooled(), "SDXL takes a pooled embedding");
    }

    private static NDArray sizes(Conditioning told) {
        return Objects.requireNonNull(told.timeIds(), "SDXL takes time ids");
    }
}
