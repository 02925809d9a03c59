package training.lora.trainer.model.weights;

import ai.djl.ndarray.NDArray;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.api.Precision;

/** A frozen weight: declared with its name and shape when a network is built, bound to values when it is loaded. */
public final class Parameter {
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

    public NDArray array() {
        return Objects.requireNonNull(array, name);
    }
}
