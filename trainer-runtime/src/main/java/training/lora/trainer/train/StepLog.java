package training.lora.trainer.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.List;
import training.lora.trainer.tensor.HostCopy;
import training.lora.trainer.tensor.HostNumbers;
import training.lora.trainer.tensor.TorchScript;
import training.lora.trainer.train.progress.MeasuredStep;

/** Losses and norms of steps, in native memory until they are drained, so that a step waits for nothing. */
final class StepLog {
    /** Steps that are kept before they must be drained. */
    static final int CAPACITY = 64;

    private static final TorchScript ADD = TorchScript.compile("sum, loss", "return torch.add_(sum, loss)");

    private static final TorchScript RECORD = TorchScript.compile("log, at, sum, norm", """
            _0 = torch.index_copy_(log, 0, at, torch.unsqueeze(torch.stack([sum, norm]), 0))
            return torch.zero_(sum)
            """);

    final NDArray log;
    final NDArray lossSum;
    private int recorded;

    StepLog(NDManager manager) {
        this.log = manager.zeros(new Shape(CAPACITY, 2));
        this.lossSum = manager.zeros(new Shape());
    }

    /** Adds a batch's share of the step's loss, a scalar. */
    void add(NDArray loss, NDManager scope) {
        ADD.call(scope, lossSum, loss);
    }

    /** Ends a step, whose gradient had {@code norm}, a scalar. */
    void end(NDArray norm, NDManager scope) {
        try (NDArray at = HostNumbers.integer(scope, recorded)) {
            RECORD.call(scope, log, at, lossSum, norm);
        }
        recorded++;
    }

    /** Whether {@link #drain} must come before the next step. */
    boolean full() {
        return recorded == CAPACITY;
    }

    /** What was measured since the last call; waits for it. */
    List<MeasuredStep> drain() {
        float[] values = HostCopy.floats(log);
        List<MeasuredStep> measured = new ArrayList<>();
        for (int i = 0; i < recorded; i++) {
            measured.add(new MeasuredStep(values[2 * i], values[2 * i + 1]));
        }
        recorded = 0;
        return measured;
    }
}
