package training.lora.trainer.prepare.caption;

/** Texts that a model writes, a token of each at a time. */
interface Continuation extends AutoCloseable {
    /** Logits of what may follow {@code tokens}, one of each text: a row of the vocabulary's size for each. */
    float[][] next(long[] tokens);

    /** Goes on with the texts {@code rows}, some of which may be there twice. */
    void pick(long[] rows);

    @Override
    void close();
}
