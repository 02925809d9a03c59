package training.lora.trainer.onnx;

import java.util.Map;

/** What a model computed, by name. */
public record OnnxOutputs(Map<String, OnnxArray> arrays) {
    public OnnxOutputs {
        arrays = Map.copyOf(arrays);
    }

    public OnnxArray get(String name) {
        OnnxArray array = arrays.get(name);
        if (array == null) {
            throw new IllegalArgumentException(name + " was not asked for");
        }
        return array;
    }

    /** An output of float numbers. */
    public OnnxArray.Floats floats(String name) {
        return get(name).floats();
    }
}
