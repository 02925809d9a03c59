package training.lora.trainer.model.text;

import ai.djl.ndarray.NDArray;

/** What a text encoder embedded, which can be walked back: B sequences of S tokens, D numbers a token. */
public interface TextRecording {
    /** What was embedded, fp32. */
    TextEmbedding embedding();

    /** What the context is made of (B, S, D), in the encoder's precision. */
    NDArray hidden();

    /** S. */
    default long length() {
        return hidden().getShape().get(1);
    }

    /** D. */
    default long width() {
        return hidden().getShape().get(2);
    }

    /**
     * Walks back; works once.
     *
     * @param gradient of the {@link #embedding}
     */
    void backward(TextEmbedding gradient);
}
