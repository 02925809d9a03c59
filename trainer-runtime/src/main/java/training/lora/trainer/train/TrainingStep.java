package training.lora.trainer.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.train.batch.Batch;
import training.lora.trainer.train.batch.BatchSource;
import training.lora.trainer.train.batch.LossHistory;
import training.lora.trainer.train.optimizer.Rates;

/** A step of training, whatever is trained, and losses without one. */
interface TrainingStep extends AutoCloseable {
    /**
     * Trains on the batches of a step, as on one batch of all their samples.
     *
     * @param step steps done before
     * @param rates of each optimizer
     */
    void train(BatchSource batches, int step, List<Rates> rates);

    /** What its timesteps are drawn by; null where they depend on no losses. */
    default @Nullable LossHistory history() {
        return null;
    }

    /** The loss of a batch under what is put out, while that is {@link #hold held}; a scalar in {@code scope}. */
    NDArray loss(Batch batch, NDManager scope);

    /** The same under the base model alone; null where it is there no more. */
    @Nullable NDArray baseLoss(Batch batch, NDManager scope);

    /**
     * Has what is put out stand in the place of what is trained, where the two can't stand beside each other, until it is
     * closed: what draws the model itself then draws what is put out.
     */
    default Held hold() {
        return () -> {};
    }

    /** Ends with what is trained in its place again. */
    interface Held extends AutoCloseable {
        @Override
        void close();
    }

    /** What its steps measured; drained before the step after it is full. */
    StepLog log();

    @Override
    void close();
}
