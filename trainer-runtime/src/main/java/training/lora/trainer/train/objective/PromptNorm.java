package training.lora.trainer.train.objective;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.util.List;
import training.lora.trainer.tensor.TorchScript;

/**
 * A loss on what text encoders make of B prompts, (B, S, D), as in Eden's trainer ({@code cond_reg_w}): w (m - T)^2, where m is
 * the mean 2-norm of the embeddings of a prompt's tokens behind its second.
 *
 * @param target T
 */
public record PromptNorm(double target) {
    /** T where text encoders end in a norm, Stable Diffusion 1.x. */
    public static final double SD15 = 27.8;

    /** T of two text encoders side by side, XL. */
    public static final double SDXL = 34.5;

    /** k[0] is w and k[1] T. */
    private static final TorchScript LOSS =
            TorchScript.compile(List.of("c", "k"), """
            w = torch.unbind(k, 0)
            x = torch.slice(c, 1, 2, 9223372036854775807)
            n = torch.clamp_min(torch.sqrt(torch.sum(torch.mul(x, x), [2], True)), 1e-12)
            m = torch.mean(n)
            e = torch.sub(m, w[1])
            f = torch.mul(torch.mul(w[0], 2.), e)
            d = torch.div(x, torch.mul(n, torch.mul(torch.size(x, 0), torch.size(x, 1))))
            g = torch.zeros_like(c)
            _0 = torch.copy_(torch.slice(g, 1, 2, 9223372036854775807), torch.mul(d, f))
            return (torch.mul(w[0], torch.mul(e, e)), g)
            """.lines().toList(), 2);

    /** The loss of {@code context} (B, S, D), fp32, times {@code weight}, and its gradient by it, in {@code scope}. */
    public LossTerm.Value of(NDArray context, double weight, NDManager scope) {
        try (NDArray k = scope.create(new float[] {(float) weight, (float) target})) {
            NDList values = LOSS.callAll(scope, context, k);
            return new LossTerm.Value(values.get(0), values.get(1));
        }
    }
}
