package training.lora.trainer.model.text;

import ai.djl.ndarray.NDArray;
import org.jspecify.annotations.Nullable;

/**
 * What text encoders make of B texts.
 *
 * @param context (B, S, D), one vector a token; SDXL: that of its first encoder beside that of its second
 * @param pooled SDXL: (B, P), one vector a text; null in Stable Diffusion 1.x
 */
public record TextEmbedding(NDArray context, @Nullable NDArray pooled) implements AutoCloseable {
    @Override
    public void close() {
        context.close();
        if (pooled != null) {
            pooled.close();
        }
    }
}
