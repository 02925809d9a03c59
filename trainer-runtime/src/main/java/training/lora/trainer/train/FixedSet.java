package training.lora.trainer.train;

import ai.djl.ndarray.NDManager;

/**
 * The loss over a set of (picture, noise, timestep) that is the same whenever it is measured, so that a fall means that
 * something was learned and not that easier timesteps were drawn.
 */
final class FixedSet {
    /** Items of the set; their timesteps lie evenly over the schedule. */
    static final int ITEMS = 32;

    private final Batches batches;
    private final int batchSize;

    FixedSet(Batches batches, int batchSize) {
        this.batches = batches;
        this.batchSize = batchSize;
    }

    /** Mean over the items of the weighted loss. */
    double loss(LoraStep step, NDManager run) {
        double sum = 0;
        for (int i = 0; i * batchSize < ITEMS; i++) {
            try (NDManager scope = run.newSubManager()) {
                Batch batch = batches.fixed(i, ITEMS, scope);
                sum += batch.timesteps().length * step.loss(batch, scope).getFloat();
            }
        }
        return sum / ITEMS;
    }
}
