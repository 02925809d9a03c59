package training.lora.trainer.train.objective;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.tensor.TorchScript;

/** A loss on what an adapter trains in the denoiser, n numbers p, as in Eden's trainer ({@code l1_penalty}): w mean(|p|). */
public final class AdapterL1 {
    private final LoraAdapter adapter;
    private final double weight;
    private final TorchScript add;

    /**
     * Of {@code adapter}.
     *
     * @param weight w
     * @throws TrainerException InvalidConfiguration if it has nothing in the denoiser
     */
    public AdapterL1(double weight, LoraAdapter adapter) {
        this.adapter = adapter;
        this.weight = weight;
        long size = adapter.textOffset();
        if (size == 0) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`spec.training.loss.adapterL1` must be unset where no target of `spec.training.adapter` is in the denoiser, was "
                            + weight);
        }
        // Those of the denoiser come first.
        add = TorchScript.compile("g, p, k", """
                q = torch.slice(p, 0, 0, %1$d)
                w = torch.div(k, %1$d.)
                _0 = torch.add_(torch.slice(g, 0, 0, %1$d), torch.mul(torch.sign(q), w))
                return torch.mul(torch.sum(torch.abs(q)), w)
                """.formatted(size));
    }

    /** Adds its gradient to the adapter's; returns the loss, a scalar in {@code scope}. */
    public NDArray addToGradient(NDManager scope) {
        try (NDArray k = scope.create((float) weight)) {
            return add.call(scope, adapter.gradient(), adapter.parameters(), k);
        }
    }
}
