package training.lora.trainer.train;

import ai.djl.ndarray.NDManager;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The loss over a set of (picture, noise, timestep) that is the same whenever it is measured, so that a fall means that
 * something was learned and not that easier timesteps were drawn.
 */
final class FixedSet {
    private static final Logger LOG = LoggerFactory.getLogger(FixedSet.class);

    /** Items of the set at least; their timesteps lie evenly over the schedule. */
    static final int ITEMS = 32;

    private final Batches batches;
    private final String name;
    private final int[] samples;
    private final int items;
    private final int batchSize;

    private FixedSet(Batches batches, String name, int[] samples, int items, int batchSize) {
        this.batches = batches;
        this.name = name;
        this.samples = samples;
        this.items = items;
        this.batchSize = batchSize;
    }

    /** {@link #ITEMS} items of pictures that are trained on. */
    static FixedSet learned(Batches batches, int[] samples, int batchSize) {
        return new FixedSet(batches, "fixed", samples, ITEMS, batchSize);
    }

    /** Pictures that are not trained on, each of them at least once. */
    static FixedSet heldOut(Batches batches, int[] samples, int batchSize) {
        return new FixedSet(batches, "validation", samples, Math.max(ITEMS, samples.length), batchSize);
    }

    /**
     * Mean over the items of the weighted loss.
     *
     * @param stopping asked before each batch whether to give up
     * @return null if it was given up
     */
    @Nullable Double loss(LoraStep step, NDManager run, BooleanSupplier stopping) {
        LOG.info("measuring the loss over the {} set of {} items", name, items);
        double sum = 0;
        for (int i = 0; i * batchSize < items; i++) {
            if (stopping.getAsBoolean()) {
                return null;
            }
            try (NDManager scope = run.newSubManager()) {
                Batch batch = batches.fixed(name, samples, i, items, scope);
                sum += batch.timesteps().length * step.loss(batch, scope).getFloat();
            }
        }
        return sum / items;
    }
}
