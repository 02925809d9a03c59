package training.lora.trainer.model.weights;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.api.Precision;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.TorchScript;

/** A frozen weight: declared with its name and shape when a network is built, bound to values when it is loaded. */
public final class Parameter {
    private static final TorchScript SINGLE =
            TorchScript.compile("x", "return torch.contiguous(torch.to(x, 6), memory_format=0)");

    private final String name;
    private final Precision precision;
    private final long[] shape;
    private @Nullable NDArray array;

    Parameter(String name, Precision precision, long... shape) {
        this.name = name;
        this.precision = precision;
        this.shape = shape;
    }

    public String name() {
        return name;
    }

    /** Of its values. */
    public Precision precision() {
        return precision;
    }

    /** As files have it. */
    public long[] shape() {
        return shape.clone();
    }

    void bind(NDArray values) {
        array = values;
    }

    /** Its values as files have them, in fp32, as they are when it is read. */
    public LazyTensor single() {
        return new LazyTensor(new Shape(shape), DataType.FLOAT32, scope -> SINGLE.call(scope, array()));
    }

    public NDArray array() {
        return Objects.requireNonNull(array, name);
    }
}
