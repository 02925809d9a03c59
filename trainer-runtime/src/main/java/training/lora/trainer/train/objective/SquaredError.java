package training.lora.trainer.train.objective;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import java.util.List;
import training.lora.trainer.tensor.TorchScript;

/** d^2 of the difference d. */
final class SquaredError implements LossTerm {
    private static final TorchScript LOSS = TorchScript.compile(
            List.of("p", "e", "w"),
            List.of(
                    "d = torch.sub(p, e)",
                    "s = torch.mul(d, w)",
                    "l = torch.sum(torch.mul(s, d))",
                    "return (l, torch.mul(s, 2.))"),
            2);

    @Override
    public Value of(NDArray prediction, NDArray target, NDArray shares, int[] timesteps, NDManager scope) {
        NDList values = LOSS.callAll(scope, prediction, target, shares);
        return new Value(values.get(0), values.get(1));
    }
}
