package training.lora.trainer.export;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.LinkedHashMap;
import java.util.Map;
import training.lora.trainer.model.weights.Stored;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.SafeTensors;

/** Tensors of a model's files, which are read when they are asked for, and other forms of them. */
final class StoredTensors {
    private StoredTensors() {}

    /** The tensor {@code key} in its own type; of fp64 in fp32. */
    static LazyTensor of(SafeTensors file, String key) {
        SafeTensors.Entry entry = file.entry(key);
        Shape shape = new Shape(entry.shape());
        return switch (entry.dtype()) {
            case "F16" -> new LazyTensor(shape, DataType.FLOAT32, scope -> file.read(key, scope)).as(DataType.FLOAT16);
            case "BF16" -> new LazyTensor(shape, DataType.BFLOAT16, scope -> file.read(key, scope));
            default -> new LazyTensor(shape, DataType.FLOAT32, scope -> file.read(key, scope));
        };
    }

    /** All tensors of {@code file} but integers, which are numbers of positions, by their names there. */
    static Map<String, LazyTensor> floats(SafeTensors file) {
        Map<String, LazyTensor> tensors = new LinkedHashMap<>();
        file.entries().forEach((name, entry) -> {
            if (SafeTensors.FLOATS.contains(entry.dtype())) {
                tensors.put(name, of(file, name));
            }
        });
        return tensors;
    }

    /** The weight of {@code shape} that {@code file} keeps as {@code stored}. */
    static LazyTensor of(SafeTensors file, Stored stored, long[] shape) {
        LazyTensor whole = of(file, stored.key());
        LazyTensor turned = stored.transposed() ? transposed(whole) : whole;
        if (stored.parts() == 1) {
            return shaped(turned, shape);
        }
        NDIndex rows = new NDIndex().addSliceDim(stored.part() * shape[0], (stored.part() + 1) * shape[0]);
        Shape part = new Shape(shape);
        return new LazyTensor(
                part,
                turned.type(),
                scope -> attached(turned.in(scope).get(rows).duplicate().reshape(part), scope));
    }

    /** The same numbers in another shape. */
    static LazyTensor shaped(LazyTensor tensor, long[] shape) {
        Shape other = new Shape(shape);
        return other.equals(tensor.shape())
                ? tensor
                : new LazyTensor(
                        other, tensor.type(), scope -> attached(tensor.in(scope).reshape(other), scope));
    }

    /** A matrix whose rows are columns. */
    static LazyTensor transposed(LazyTensor tensor) {
        Shape other = new Shape(tensor.shape().get(1), tensor.shape().get(0));
        return new LazyTensor(
                other,
                tensor.type(),
                scope -> attached(tensor.in(scope).transpose().duplicate(), scope));
    }

    private static NDArray attached(NDArray array, NDManager scope) {
        array.attach(scope);
        return array;
    }
}
