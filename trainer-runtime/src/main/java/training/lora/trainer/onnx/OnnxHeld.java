package training.lora.trainer.onnx;

import ai.onnxruntime.OnnxTensor;
import java.util.Arrays;

/** An array in the runtime's memory, for inputs that are the same in many runs. */
public final class OnnxHeld implements OnnxArray, AutoCloseable {
    private final OnnxTensor tensor;
    private final boolean own;

    /** @param own whether it is freed by {@link #close}, and not with what it is a part of */
    OnnxHeld(OnnxTensor tensor, boolean own) {
        this.tensor = tensor;
        this.own = own;
    }

    OnnxTensor tensor() {
        return tensor;
    }

    @Override
    public long[] shape() {
        return tensor.getInfo().getShape().clone();
    }

    @Override
    public String toString() {
        return "OnnxHeld" + Arrays.toString(shape());
    }

    @Override
    public void close() {
        if (own) {
            tensor.close();
        }
    }
}
