package training.lora.trainer.tensor;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.index.NDIndex;

/** Large tensors a piece after the other: an optimizer's may be larger than Java's memory. */
final class Pieces {
    /** Numbers in a piece. */
    static final int SIZE = 1 << 20;

    private Pieces() {}

    /** What is done with a piece. */
    interface Use<E extends Exception> {
        /**
         * @param piece a view of it (n), closed afterwards
         * @param start numbers before it
         */
        void of(NDArray piece, long start) throws E;
    }

    /** Gives {@code use} the numbers of {@code tensor}; pieces of one that lies in memory in their order can be written to. */
    static <E extends Exception> void each(NDArray tensor, Use<E> use) throws E {
        try (NDArray row = tensor.reshape(tensor.size())) {
            for (long start = 0; start < tensor.size(); start += SIZE) {
                NDIndex range = new NDIndex().addSliceDim(start, Math.min(tensor.size(), start + SIZE));
                try (NDArray piece = row.get(range)) {
                    use.of(piece, start);
                }
            }
        }
    }
}
