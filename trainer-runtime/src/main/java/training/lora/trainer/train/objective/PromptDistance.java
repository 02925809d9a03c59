package training.lora.trainer.train.objective;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.model.text.TextEmbedding;
import training.lora.trainer.tensor.TorchScript;

/**
 * How far what text encoders make of B texts is from what it should be, as in Eden's trainer: w (d(c, c') + d(p, p') / 4) of the
 * contexts c (B, S, D) and XL's pooled embeddings p (B, P), with d(x, y) = mean((x - y)^2) + 1 - mean(cos(x, y)), cosines over the
 * last axis.
 */
public final class PromptDistance {
    private static final double POOLED = 0.25;

    /** Of k d(x, y): the gradient by x, and the value. */
    private static final TorchScript DISTANCE = TorchScript.compile(
            List.of("x", "y", "k"),
            List.of(
                    "e = torch.sub(x, y)",
                    "n = torch.clamp_min(torch.sqrt(torch.sum(torch.mul(x, x), [-1], True)), 1e-8)",
                    "m = torch.clamp_min(torch.sqrt(torch.sum(torch.mul(y, y), [-1], True)), 1e-8)",
                    "u = torch.div(x, n)",
                    "v = torch.div(y, m)",
                    "s = torch.sum(torch.mul(u, v), [-1], True)",
                    "t = torch.div(torch.sub(torch.mul(u, s), v), torch.mul(n, torch.numel(s)))",
                    "g = torch.add(torch.mul(e, torch.div(2., torch.numel(e))), t)",
                    "l = torch.add(torch.mean(torch.mul(e, e)), torch.rsub(torch.mean(s), 1.))",
                    "return (torch.mul(g, k), torch.mul(l, k))"),
            2);

    private PromptDistance() {}

    /**
     * A distance.
     *
     * @param loss its values, whose sum it is
     * @param gradient by what was embedded
     */
    public record Value(NDList loss, TextEmbedding gradient) {
        /** Waits for it. */
        public double read() {
            double sum = 0;
            for (NDArray part : loss) {
                sum += part.getFloat();
            }
            return sum;
        }
    }

    /** The distance of {@code embedding} from {@code target}, in {@code scope}; {@code weight} is w. */
    public static Value of(TextEmbedding embedding, TextEmbedding target, double weight, NDManager scope) {
        NDList context = distance(embedding.context(), target.context(), weight, scope);
        NDList loss = new NDList(context.get(1));
        NDArray pooled = embedding.pooled();
        @Nullable NDArray gradient = null;
        if (pooled != null && target.pooled() != null) {
            NDList of = distance(pooled, target.pooled(), POOLED * weight, scope);
            gradient = of.get(0);
            loss.add(of.get(1));
        }
        return new Value(loss, new TextEmbedding(context.get(0), gradient));
    }

    private static NDList distance(NDArray x, NDArray y, double weight, NDManager scope) {
        try (NDArray k = scope.create((float) weight)) {
            return DISTANCE.callAll(scope, x, y, k);
        }
    }
}
