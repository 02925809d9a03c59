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
 * in a byte each they have a scale beside them ({@link Quantized}).
 */
public final class Parameter {
    private static final TorchScript SINGLE =
            TorchScript.compile("x", "return torch.contiguous(torch.to(x, 6), memory_format=0)");

    private final String name;
    private final Precision precision;
    private final BaseWeights form;
    private final boolean onHost;
    private final long[] shape;
    private @Nullable NDArray array;
    private @Nullable NDArray scale;

    /**
     * @param precision of its values, or where {@code form} is not Full, of those that are made of it
     * @param onHost whether its values are in the host's memory though layers run on a card
     */
    Parameter(String name, Precision precision, BaseWeights form, boolean onHost, long... shape) {
        this.onHost = onHost;
        this.name = name;
        this.precision = precision;
        this.form = form;
        this.shape = shape;
    }

    public String name() {
        return name;
    }

    /** Of its values. */
    public Precision precision() {
        return precision;
    }

    /** How they are kept. */
    BaseWeights form() {
        return form;
    }

    /** Whether they are in the host's memory, from where a native function brings them to the device that it runs on. */
    boolean onHost() {
        return onHost;
    }

    /** Whether they are kept in a byte each, with a scale. */
    boolean quantized() {
        return form != BaseWeights.Full;
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
            throw new IllegalStateException(name + " is kept in " + form);
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

    /** Its values in its precision: its own, or where it is quantized, made in {@code scope}. */
    NDArray values(NDManager scope) {
        return quantized() ? Quantized.values(arrays(), scope) : values();
    }
}
