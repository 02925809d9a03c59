package training.lora.trainer.model.text;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import java.util.function.Function;
import training.lora.trainer.model.layer.Component;

/**
 * What a text encoder knows.
 *
 * @param encoder the part of the model
 * @param table embeddings of its tokens, (V, D), in the encoder's precision
 * @param tokens of a text, numbers of rows
 */
public record Vocabulary(Component encoder, NDArray table, Function<String, long[]> tokens) {
    /** Some of its embeddings, (n, D), fp32, on the CPU in {@code scope}. */
    public NDArray embeddings(long[] rows, NDManager scope) {
        try (NDArray at = table.getManager().create(rows);
                NDArray some = table.get(at);
                NDArray single = some.toType(DataType.FLOAT32, true)) {
            NDArray there = single.toDevice(Device.cpu(), true);
            there.attach(scope);
            return there;
        }
    }
}
