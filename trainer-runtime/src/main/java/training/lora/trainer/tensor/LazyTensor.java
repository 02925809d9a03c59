package training.lora.trainer.tensor;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/**
 * A tensor that is made when it is asked for: of many, as large as a file, one need be in memory at a time.
 *
 * @param shape its dimensions
 * @param type of its values
 * @param make gives it, on the device of the manager that it is given and valid as long as that
 */
public record LazyTensor(Shape shape, DataType type, Function<NDManager, NDArray> make) {
    /** One that is there and stays with its own manager. */
    public static LazyTensor of(NDArray tensor) {
        return new LazyTensor(tensor.getShape(), tensor.getDataType(), scope -> tensor);
    }

    /** It, for as long as {@code scope}. */
    public NDArray in(NDManager scope) {
        return make.apply(scope);
    }

    /** All of {@code tensors}, for as long as {@code scope}. */
    public static Map<String, NDArray> in(NDManager scope, Map<String, LazyTensor> tensors) {
        Map<String, NDArray> arrays = new LinkedHashMap<>();
        tensors.forEach((name, tensor) -> arrays.put(name, tensor.in(scope)));
        return arrays;
    }

    /** The same values as {@code other}. */
    public LazyTensor as(DataType other) {
        return other == type
                ? this
                : new LazyTensor(shape, other, scope -> {
                    NDArray cast = in(scope).toType(other, false);
                    cast.attach(scope);
                    return cast;
                });
    }

    /** Tensors that differ in their first dimension alone, one behind the other along it. */
    public static LazyTensor joined(List<LazyTensor> all) {
        LazyTensor first = all.get(0);
        long[] shape = first.shape.getShape().clone();
        shape[0] = all.stream().mapToLong(tensor -> tensor.shape.get(0)).sum();
        return new LazyTensor(new Shape(shape), first.type, scope -> {
            NDArray whole = NDArrays.concat(
                    new NDList(all.stream().map(tensor -> tensor.in(scope)).toArray(NDArray[]::new)), 0);
            whole.attach(scope);
            return whole;
        });
    }

    /** Whether both are the same bits. */
    public boolean same(LazyTensor other) {
        try (NDManager scope = ComputeDevice.CPU.newManager()) {
            return shape.equals(other.shape) && type == other.type && same(in(scope), other.in(scope));
        }
    }

    /** In pieces: both on the heap would be twice the largest tensor there. */
    private static boolean same(NDArray a, NDArray b) {
        boolean[] same = {true};
        try (NDArray row = b.reshape(b.size())) {
            Pieces.each(a, (piece, start) -> {
                try (NDArray others = row.get(new NDIndex().addSliceDim(start, start + piece.size()))) {
                    same[0] &= HostCopy.bytes(piece).equals(HostCopy.bytes(others));
                }
            });
        }
        return same[0];
    }
}
