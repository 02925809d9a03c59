package training.lora.trainer.train;

import ai.djl.ndarray.NDManager;

/** The run's sequence of batches. */
@FunctionalInterface
interface BatchSource {
    /** Batch {@code index}, from 0, in {@code scope}; the same whenever it is asked for. */
    Batch at(long index, NDManager scope);
}
