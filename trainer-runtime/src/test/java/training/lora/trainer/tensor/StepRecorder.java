package training.lora.trainer.tensor;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Records the native functions that are run until it is closed. What a function is given must be an outer tensor that was
 * named before, numbers of {@link HostNumbers}, or what a recorded function returned; anything else ends the recording.
 */
public final class StepRecorder implements AutoCloseable {
    private static final TorchScript SINGLE = TorchScript.compile("x", "return torch.contiguous(torch.to(x, 6))");

    private final TorchScript.Runner runner = TorchScript.runner;
    private final HostNumbers.Listener listener = HostNumbers.listener;
    private final boolean withValues;
    private final Map<NDArray, Integer> ids = new IdentityHashMap<>();
    private final Map<NDArray, Integer> alive = new IdentityHashMap<>();
    private final Map<String, Integer> texts = new LinkedHashMap<>();
    private final List<StepRecording.Outer> outers = new ArrayList<>();
    private final List<StepRecording.Call> calls = new ArrayList<>();
    private final Map<String, NDArray> states = new LinkedHashMap<>();

    private StepRecorder(boolean withValues) {
        this.withValues = withValues;
    }

    /** @param withValues whether outer tensors are recorded with the values that they have */
    public static StepRecorder begin(boolean withValues) {
        StepRecorder recorder = new StepRecorder(withValues);
        TorchScript.runner = recorder::run;
        HostNumbers.listener = recorder::brought;
        return recorder;
    }

    /** Names a tensor that comes from outside. */
    public void outer(StepRecording.Kind kind, String name, NDArray array) {
        add(kind, name, array, withValues ? values(array) : null);
        if (kind == StepRecording.Kind.State) {
            states.put(name, array);
        }
    }

    private void add(StepRecording.Kind kind, String name, NDArray array, @Nullable List<Float> values) {
        CardScripts.Input is = CardScripts.describe(array);
        int id = number(array);
        outers.add(new StepRecording.Outer(id, calls.size(), kind, name, is.type(), is.shape(), is.strides(), values));
    }

    private int number(NDArray array) {
        int id = ids.size();
        if (ids.put(array, id) != null) {
            throw new AssertionError("a tensor must have one number");
        }
        return id;
    }

    private void brought(NDArray array, double[] values) {
        List<Float> copy = new ArrayList<>();
        for (double value : values) {
            copy.add((float) value);
        }
        add(StepRecording.Kind.Host, "host " + outers.size(), array, copy);
        alive.put(array, ids.get(array));
    }

    private NDList run(TorchScript function, NDList inputs) {
        List<Integer> released = new ArrayList<>();
        alive.entrySet().removeIf(entry -> {
            if (entry.getKey().isReleased()) {
                released.add(entry.getValue());
                return true;
            }
            return false;
        });
        List<Integer> given = new ArrayList<>();
        for (NDArray input : inputs) {
            Integer id = ids.get(input);
            if (id == null) {
                throw new AssertionError("input %d, %s, comes from nowhere that is known:\n%s"
                        .formatted(given.size(), input.getShape(), function.source()));
            }
            given.add(id);
        }
        NDList results = runner.run(function, inputs);
        List<Integer> made = new ArrayList<>();
        for (NDArray result : results) {
            int id = number(result);
            alive.put(result, id);
            made.add(id);
        }
        int text = texts.computeIfAbsent(function.source(), s -> texts.size());
        calls.add(new StepRecording.Call(
                text, given, made, released.stream().sorted().toList()));
        return results;
    }

    /**
     * What was recorded so far.
     *
     * @param about as in {@link StepRecording}
     */
    public StepRecording recording(Map<String, Object> about) {
        Map<String, List<Float>> after = new LinkedHashMap<>();
        if (withValues) {
            states.forEach((name, array) -> after.put(name, values(array)));
        }
        return new StepRecording(about, List.copyOf(texts.keySet()), List.copyOf(outers), List.copyOf(calls), after);
    }

    private static List<Float> values(NDArray array) {
        List<Float> values = new ArrayList<>();
        try (NDArray single = SINGLE.run(new NDList(array)).singletonOrThrow()) {
            for (float value : single.toFloatArray()) {
                values.add(value);
            }
        }
        return values;
    }

    @Override
    public void close() {
        TorchScript.runner = runner;
        HostNumbers.listener = listener;
    }
}
