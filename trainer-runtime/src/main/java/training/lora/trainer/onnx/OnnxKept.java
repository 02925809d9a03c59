package training.lora.trainer.onnx;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OnnxValue;
import ai.onnxruntime.OrtSession;

/**
 * What a model computed, where it lies in the runtime's memory: what is large and goes into other runs need not come to the
 * heap, which is small.
 */
public final class OnnxKept implements AutoCloseable {
    private final OnnxModel model;
    private final OrtSession.Result result;

    OnnxKept(OnnxModel model, OrtSession.Result result) {
        this.model = model;
        this.result = result;
    }

    /** A copy of an output. */
    public OnnxArray copy(String name) {
        return model.array(name, value(name));
    }

    /** An output as it lies there, until this is closed. */
    public OnnxHeld held(String name) {
        if (value(name) instanceof OnnxTensor tensor) {
            return new OnnxHeld(tensor, false);
        }
        throw model.mismatch("a model of another kind", "an array as output " + name);
    }

    private OnnxValue value(String name) {
        return result.get(name).orElseThrow(() -> new IllegalArgumentException(name + " was not asked for"));
    }

    @Override
    public void close() {
        result.close();
    }
}
