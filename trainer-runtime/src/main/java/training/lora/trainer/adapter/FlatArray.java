package training.lora.trainer.adapter;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import training.lora.trainer.tensor.Copy;
import training.lora.trainer.tensor.LazyTensor;

/** A flat fp32 array in which tensors lie, row by row, each from an offset of its own. */
final class FlatArray {
    private FlatArray() {}

    /** Copies {@code values}, which are on the CPU, into an array, which may be on a card. */
    static void put(NDArray array, long offset, NDArray values) {
        try (NDArray part = array.get(range(offset, values.size()));
                NDArray there = values.toDevice(array.getDevice(), true);
                NDArray row = there.reshape(values.size())) {
            Copy.into(part, row);
        }
    }

    /** A tensor that lies in {@code array}, as it is when it is read. */
    static LazyTensor part(NDArray array, long offset, Shape shape) {
        NDIndex range = range(offset, shape.size());
        return new LazyTensor(shape, DataType.FLOAT32, scope -> array.get(scope, range)
                .toDevice(scope.getDevice(), false)
                .reshape(shape));
    }

    private static NDIndex range(long offset, long size) {
        return new NDIndex().addSliceDim(offset, offset + size);
    }
}
