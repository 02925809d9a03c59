package training.lora.trainer.onnx;

import ai.onnxruntime.OnnxTensor;
import java.util.Arrays;

/** An array that has been brought to the runtime, for inputs that are the same in many runs. */
public final class OnnxHeld implements OnnxArray, AutoCloseable {
    private final OnnxTensor tensor;
    private final long[] shape;

    OnnxHeld(OnnxTensor tensor, long[] shape) {
        this.tensor = tensor;
        this.shape = shape.clone();
    }

    OnnxTensor tensor() {
        return tensor;
    }

    @Override
    public long[] shape() {
        return shape.clone();
    }

    @Override
    public String toString() {
        return "OnnxHeld" + Arrays.toString(shape);
    }

    @Override
    public void close() {
        tensor.close();
    }
}
