package training.lora.trainer.train;

import ai.djl.ndarray.NDManager;
import java.util.Comparator;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.trainer.train.batch.Batch;
import training.lora.trainer.train.batch.Batches;
import training.lora.trainer.train.batch.FixedPart;

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
    private final int items;
    private final List<FixedPart> parts;

    private FixedSet(Batches batches, String name, int[] samples, int items, int batchSize) {
        this.batches = batches;
        this.name = name;
        this.items = items;
        this.parts = FixedPart.of(samples, items, batchSize, batches.buckets());
    }

    /**
     * Items of pictures that are trained on, {@link #ITEMS} of them or one of each concept.
     *
     * @param concepts the samples of each concept
     */
    static FixedSet learned(Batches batches, List<int[]> concepts, int batchSize) {
        int items = Math.max(ITEMS, concepts.size());
        return new FixedSet(batches, "fixed", turns(concepts, items), items, batchSize);
    }

    /**
     * Pictures that are not trained on, each of them at least once.
     *
     * @param datasets the samples of each data set
     */
    static FixedSet heldOut(Batches batches, List<int[]> datasets, int batchSize) {
        int[] samples = interleaved(datasets);
        return new FixedSet(batches, "validation", samples, Math.max(ITEMS, samples.length), batchSize);
    }

    /**
     * Samples of {@code items} items: the groups take turns, so that each has as many items, at timesteps from all over the
     * schedule, whatever its size; a group with more samples than items gives some from all over its order.
     */
    static int[] turns(List<int[]> groups, int items) {
        int[] chosen = new int[items];
        for (int i = 0; i < items; i++) {
            int turn = i / groups.size();
            int[] group = groups.get(i % groups.size());
            int turns = (items - 1 - i % groups.size()) / groups.size() + 1;
            chosen[i] = group.length > turns
                    ? group[(int) ((turn + 0.5) * group.length / turns)]
                    : group[turn % group.length];
        }
        return chosen;
    }

    /** All samples, each group's in its order and spread over all of them, so that each meets all timesteps. */
    static int[] interleaved(List<int[]> groups) {
        record Placed(int sample, double place) {}
        return groups.stream()
                .flatMap(group ->
                        IntStream.range(0, group.length).mapToObj(i -> new Placed(group[i], (i + 0.5) / group.length)))
                .sorted(Comparator.comparingDouble(Placed::place))
                .mapToInt(Placed::sample)
                .toArray();
    }

    /** The mean weighted loss of its first part alone. */
    double first(TrainingStep step, NDManager run) {
        try (TrainingStep.Held held = step.hold();
                NDManager scope = run.newSubManager()) {
            return step.loss(batches.fixed(name, parts.get(0), scope), scope).getFloat();
        }
    }

    /**
     * Mean over the items of the weighted loss.
     *
     * @param stopping asked before each batch whether to give up
     * @return null if it was given up
     */
    @Nullable Double loss(TrainingStep step, NDManager run, BooleanSupplier stopping) {
        LOG.info("measuring the loss over the {} set of {} items", name, items);
        double sum = 0;
        try (TrainingStep.Held held = step.hold()) {
            for (FixedPart part : parts) {
                if (stopping.getAsBoolean()) {
                    return null;
                }
                try (NDManager scope = run.newSubManager()) {
                    Batch batch = batches.fixed(name, part, scope);
                    sum += batch.timesteps().length * step.loss(batch, scope).getFloat();
                }
            }
        }
        return sum / items;
    }
}
