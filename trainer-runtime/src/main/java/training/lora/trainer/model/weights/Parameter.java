package training.lora.trainer.model.weights;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.api.Precision;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.TorchScript;

/**
 * A frozen weight: declared with its name and shape when a network is built, bound to values when it is loaded. Kept in
 * int8 it has a scale beside them ({@link Int8}).
 */
public final class Parameter {
    private static final TorchScript SINGLE =
            TorchScript.compile("x", "return torch.contiguous(torch.to(x, 6), memory_format=0)");

    private final String name;
    private final Precision precision;
    private final boolean int8;
    private final long[] shape;
    private @Nullable NDArray array;
    private @Nullable NDArray scale;

    /** @param precision of its values, or where it is {@code int8}, of those that are made of it */
    Parameter(String name, Precision precision, boolean int8, long... shape) {
        this.name = name;
        this.precision = precision;
        this.int8 = int8;
        this.shape = shape;
    }

    public String name() {
        return name;
    }

    /** Of its values. */
    public Precision precision() {
        return precision;
    }

    boolean int8() {
        return int8;
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

    /** Its values; only of one that is not kept in int8. */
    public NDArray array() {
        if (int8) {
            throw new IllegalStateException(name + " is kept in int8");
        }
        return values();
    }

    private NDArray values() {
        return Objects.requireNonNull(array, name);
    }

    /** What native functions are given: its values, and behind them a scale where they are in int8. */
    List<NDArray> arrays() {
        return int8 ? List.of(values(), Objects.requireNonNull(scale, name)) : List.of(values());
    }

    /** Its values in its precision: its own, or where it is kept in int8, made in {@code scope}. */
    NDArray values(NDManager scope) {
        return int8 ? Int8.values(arrays(), scope) : values();
    }
}
