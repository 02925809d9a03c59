package training.lora.trainer.model.weights;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.api.BaseWeights;
import training.lora.api.Precision;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.TorchScript;

/**
 * A frozen weight: declared with its name and shape when a network is built, bound to values when it is loaded. Kept
 * in a byte each they have a scale beside them ({@link Quantized}); kept in bf16 they may be used in fp32 ({@link Numbers}).
 */
public final class Parameter {
    private static final TorchScript SINGLE =
            TorchScript.compile("x", "return torch.contiguous(torch.to(x, 6), memory_format=0)");

    /** As it lies in memory. */
    private static final String WIDER = "torch.to(%s, 6)";

    private static final TorchScript WIDENED = TorchScript.compile("x", "return " + WIDER.formatted("x"));

    private final String name;
    private final Numbers numbers;
    private final boolean onHost;
    private final long[] shape;
    private @Nullable NDArray array;
    private @Nullable NDArray scale;

    /** @param onHost whether its values are in the host's memory though layers run on a card */
    Parameter(String name, Numbers numbers, boolean onHost, long... shape) {
        this.name = name;
        this.numbers = numbers;
        this.onHost = onHost;
        this.shape = shape;
    }

    public String name() {
        return name;
    }

    /** Of its values, or where they are kept in a byte each, of those that are made of them. */
    public Precision precision() {
        return quantized() ? numbers.computed() : numbers.kept();
    }

    /** How they are kept. */
    BaseWeights form() {
        return numbers.form();
    }

    /** Whether they are in the host's memory, from where a native function brings them to the device that it runs on. */
    boolean onHost() {
        return onHost;
    }

    /** Whether they are kept in a byte each, with a scale. */
    boolean quantized() {
        return form() != BaseWeights.Full;
    }

    /** Whether layers use other values than those that are kept, which are made for each use. */
    boolean remade() {
        return numbers.remakes();
    }

    /**
     * A line that makes what layers use; only of one that is {@link #remade}.
     *
     * @param name of what is made
     * @param values name of what is kept
     * @param scales name of the scales of what is quantized
     */
    String line(String name, String values, String scales) {
        return quantized() ? Quantized.line(name, values, scales) : name + " = " + WIDER.formatted(values);
    }

    /** As files have it. */
    public long[] shape() {
        return shape.clone();
    }

    /** How many numbers it has. */
    public long size() {
        return new Shape(shape).size();
    }

    void bind(NDArray values) {
        array = values;
    }

    void bind(NDArray values, NDArray scales) {
        array = values;
        scale = scales;
    }

    /** Its values as files have them, in fp32, as they are when it is read. */
    public LazyTensor single() {
        return new LazyTensor(new Shape(shape), DataType.FLOAT32, scope -> SINGLE.call(scope, array()));
    }

    /** Its values; only of one that is kept in full. */
    public NDArray array() {
        if (quantized()) {
            throw new IllegalStateException(name + " is kept in " + form());
        }
        return values();
    }

    private NDArray values() {
        return Objects.requireNonNull(array, name);
    }

    /** What native functions are given: its values, and behind them a scale where they are quantized. */
    List<NDArray> arrays() {
        return quantized() ? List.of(values(), Objects.requireNonNull(scale, name)) : List.of(values());
    }

    /** Its values as layers use them: its own, or where they are remade, in {@code scope}. */
    NDArray values(NDManager scope) {
        return used(arrays(), scope);
    }

    /** What layers use, of {@code kept} where they run; it may be the first of them. */
    NDArray used(List<NDArray> kept, NDManager scope) {
        if (quantized()) {
            return Quantized.values(kept, scope);
        }
        return numbers.widens() ? WIDENED.call(scope, kept.get(0)) : kept.get(0);
    }
}
