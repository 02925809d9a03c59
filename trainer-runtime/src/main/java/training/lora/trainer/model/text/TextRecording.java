package training.lora.trainer.model.text;

/** What a text encoder embedded, which can be walked back. */
public interface TextRecording {
    /** What was embedded, fp32. */
    TextEmbedding embedding();

    /** S, the tokens of a sequence. */
    long length();

    /** D, the numbers a token. */
    long width();

    /**
     * Walks back; works once.
     *
     * @param gradient of the {@link #embedding}
     */
    void backward(TextEmbedding gradient);
}
