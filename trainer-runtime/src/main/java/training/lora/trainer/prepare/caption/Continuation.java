package training.lora.trainer.prepare.caption;

import java.util.function.Consumer;
import java.util.function.Function;

/** Texts that a model writes, a token of each at a time. */
interface Continuation extends AutoCloseable {
    /** Logits of what may follow {@code tokens}, one of each text: a row of the vocabulary's size for each. */
    float[][] next(long[] tokens);

    /** Goes on with the texts {@code rows}, some of which may be there twice. */
    void pick(long[] rows);

    @Override
    void close();

    /** What a model's own kind of text can do. */
    static Continuation of(Function<long[], float[][]> next, Consumer<long[]> pick, Runnable close) {
        return new Continuation() {
            @Override
            public float[][] next(long[] tokens) {
                return next.apply(tokens);
            }

            @Override
            public void pick(long[] rows) {
                pick.accept(rows);
            }

            @Override
            public void close() {
                close.run();
            }
        };
    }
}
