package training.lora.trainer.train.batch;

import ai.djl.ndarray.NDManager;
import java.util.function.LongToIntFunction;

/** The run's sequence of batches. */
public interface BatchSource {
    /** Batch {@code index}, from 0, in {@code scope}; the same whenever it is asked for. */
    Batch at(long index, NDManager scope);

    /** The same for its loss alone: without what the training keeps or is aligned with. */
    default Batch measured(long index, NDManager scope) {
        return at(index, scope);
    }

    /** How many samples batch {@code index} has. */
    int size(long index);

    /** Makes batches. */
    @FunctionalInterface
    interface Maker {
        Batch at(long index, NDManager scope);
    }

    /** Batches that have {@code sizes} and come from {@code maker}. */
    static BatchSource of(LongToIntFunction sizes, Maker maker) {
        return new BatchSource() {
            @Override
            public Batch at(long index, NDManager scope) {
                return maker.at(index, scope);
            }

            @Override
            public int size(long index) {
                return sizes.applyAsInt(index);
            }
        };
    }
}
