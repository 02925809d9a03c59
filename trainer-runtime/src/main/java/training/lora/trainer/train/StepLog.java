package training.lora.trainer.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.tensor.HostCopy;
import training.lora.trainer.tensor.HostNumbers;
import training.lora.trainer.tensor.TorchScript;
import training.lora.trainer.train.objective.AddedLoss;
import training.lora.trainer.train.progress.MeasuredStep;

/** Losses and norms of steps, in native memory until they are drained, so that a step waits for nothing. */
final class StepLog {
    /** Steps that are kept before they must be drained. */
    static final int CAPACITY = 64;

    private static final TorchScript ADD = TorchScript.compile("sum, loss", "return torch.add_(sum, loss)");

    final NDArray log;
    final NDArray lossSum;
    private final Map<AddedLoss, NDArray> addedSums = new EnumMap<>(AddedLoss.class);
    private final Map<Integer, NDArray> found;
    private final TorchScript record;
    private int recorded;

    StepLog(NDManager manager) {
        this(List.of(), Map.of(), manager);
    }

    /**
     * With more than the prediction's loss.
     *
     * @param added losses beside it
     * @param found by optimizer, arrays that begin with the distance d that it has found
     */
    StepLog(List<AddedLoss> added, Map<Integer, NDArray> found, NDManager manager) {
        this.log = manager.zeros(new Shape(CAPACITY, 2 + added.size() + found.size()));
        this.lossSum = manager.zeros(new Shape());
        added.forEach(loss -> addedSums.put(loss, manager.zeros(new Shape())));
        this.found = new TreeMap<>(found);
        this.record = record(added.size(), found.size());
    }

    /** Writes a row of the log, and lets sums begin anew: s0 and so on are those of added losses, e0 and so on hold what was found. */
    private static TorchScript record(int added, int found) {
        List<String> inputs = new ArrayList<>(List.of("log", "at", "sum", "norm"));
        List<String> row = new ArrayList<>(List.of("sum", "norm"));
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < added; i++) {
            inputs.add("s" + i);
            row.add("s" + i);
            lines.add("_1 = torch.zero_(s%d)".formatted(i));
        }
        for (int i = 0; i < found; i++) {
            inputs.add("e" + i);
            row.add("torch.select(e%d, 0, 0)".formatted(i));
        }
        lines.add(
                0,
                "_0 = torch.index_copy_(log, 0, at, torch.unsqueeze(torch.stack([%s]), 0))"
                        .formatted(String.join(", ", row)));
        lines.add("return torch.zero_(sum)");
        return TorchScript.compile(inputs, lines, 1);
    }

    /** Adds a batch's share of the step's loss, a scalar. */
    void add(NDArray loss, NDManager scope) {
        ADD.call(scope, lossSum, loss);
    }

    /** Adds to the step's {@code added} loss, a scalar; null adds nothing. */
    void add(AddedLoss added, @Nullable NDArray loss, NDManager scope) {
        if (loss != null) {
            ADD.call(scope, Objects.requireNonNull(addedSums.get(added), added.field()), loss);
        }
    }

    /** Ends a step, whose gradient had {@code norm}, a scalar. */
    void end(NDArray norm, NDManager scope) {
        try (NDArray at = HostNumbers.integer(scope, recorded)) {
            List<NDArray> inputs = new ArrayList<>(List.of(log, at, lossSum, norm));
            inputs.addAll(addedSums.values());
            inputs.addAll(found.values());
            record.call(scope, inputs.toArray(NDArray[]::new));
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
        int columns = (int) log.getShape().get(1);
        List<MeasuredStep> measured = new ArrayList<>();
        for (int i = 0; i < recorded; i++) {
            int at = i * columns;
            double loss = values[at++];
            double norm = values[at++];
            Map<String, Double> added = new LinkedHashMap<>();
            for (AddedLoss each : addedSums.keySet()) {
                added.put(each.field(), (double) values[at++]);
            }
            Map<Integer, Double> distances = new LinkedHashMap<>();
            for (int optimizer : found.keySet()) {
                distances.put(optimizer, (double) values[at++]);
            }
            measured.add(new MeasuredStep(loss, norm, added, distances));
        }
        recorded = 0;
        return measured;
    }
}
