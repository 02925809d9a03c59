package training.lora.trainer.dataset;

import io.soabase.recordbuilder.core.RecordBuilder;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.api.DatasetRole;
import training.lora.api.DatasetSpec;
import training.lora.api.Reason;
import training.lora.api.TrainingSpec;
import training.lora.trainer.TrainerException;

/**
 * How long a run is, counted as kohya's trainer counts: an epoch is {@code ceil(samples / (batch * accumulation))} steps
 * ({@code num_update_steps_per_epoch} of its train_network.py), where samples are the pictures that are learned from,
 * each as often as it is repeated, and as many again where there are pictures for regularization. Where pictures have several
 * sizes, each size has batches of its own.
 *
 * @param epochSamples samples in an epoch
 * @param epochBatches batches in an epoch, the last of which may be completed by the next epoch's samples
 * @param epochSteps steps in an epoch
 * @param steps steps in all
 * @param everySteps steps between checkpoints; null where they lie evenly over the run
 */
@RecordBuilder
public record RunLength(
        long epochSamples,
        long epochBatches,
        long epochSteps,
        int steps,
        @Nullable Integer everySteps) {
    /** The length of {@code training} on pictures of one size. */
    public static RunLength of(TrainingSpec training, List<DatasetSpec> pictures) {
        return of(training, pictures, Buckets.single(pictures.size()));
    }

    /**
     * The length of {@code training}.
     *
     * @param pictures the data set of each picture; one of them at least is learned from
     * @param buckets which pictures have one size
     * @throws TrainerException InvalidConfiguration if its epochs are too many steps, or fewer than other settings need
     */
    public static RunLength of(TrainingSpec training, List<DatasetSpec> pictures, Buckets buckets) {
        long learned = pictures.stream()
                .filter(d -> d.role() == DatasetRole.Train)
                .mapToLong(DatasetSpec::repeats)
                .sum();
        boolean mixed = pictures.stream().anyMatch(d -> d.role() == DatasetRole.Regularization);
        long samples = mixed ? 2 * learned : learned;
        long epochBatches = batches(training.batchSize(), pictures, buckets);
        long epochSteps = ceil(epochBatches, training.gradientAccumulation());
        Integer given = training.steps();
        int steps = given != null ? given : ofEpochs(training, epochSteps);
        return RunLengthBuilder.builder()
                .epochSamples(samples)
                .epochBatches(epochBatches)
                .epochSteps(epochSteps)
                .steps(steps)
                .everySteps(training.checkpoints().everySteps())
                .build();
    }

    /** Those of all buckets; pictures for regularization are shared out as they are many. */
    private static long batches(int batchSize, List<DatasetSpec> pictures, Buckets buckets) {
        long[] turns = new long[buckets.count()];
        long[] kept = new long[buckets.count()];
        long learned = 0;
        long allKept = 0;
        for (int i = 0; i < pictures.size(); i++) {
            DatasetSpec dataset = pictures.get(i);
            if (dataset.role() == DatasetRole.Train) {
                turns[buckets.of(i)] += dataset.repeats();
                learned += dataset.repeats();
            } else if (dataset.role() == DatasetRole.Regularization) {
                kept[buckets.of(i)]++;
                allKept++;
            }
        }
        int[] sizes = buckets.batchSizes(batchSize, i -> pictures.get(i).role() != DatasetRole.Validation);
        long batches = 0;
        for (int bucket = 0; bucket < turns.length; bucket++) {
            long shared = allKept == 0 ? 0 : ceil(learned * kept[bucket], allKept);
            batches += sizes[bucket] == 0 ? 0 : ceil(turns[bucket] + shared, sizes[bucket]);
        }
        return batches;
    }

    private static int ofEpochs(TrainingSpec training, long epochSteps) {
        int epochs = Objects.requireNonNull(training.epochs());
        long steps = epochs * epochSteps;
        if (steps > TrainingSpec.MOST_STEPS) {
            throw invalid("`spec.training.epochs` must come to at most %d steps, but %d epochs of %d are %d"
                    .formatted(TrainingSpec.MOST_STEPS, epochs, epochSteps, steps));
        }
        int warmup = training.optimizer().schedule().warmupSteps();
        if (warmup >= steps) {
            throw invalid(
                    "`spec.training.optimizer.schedule.warmupSteps` must be less than the %d steps of %d epochs, was %d"
                            .formatted(steps, epochs, warmup));
        }
        return (int) steps;
    }

    private static TrainerException invalid(String message) {
        return new TrainerException(Reason.InvalidConfiguration, message);
    }

    private static long ceil(long count, long size) {
        return (count + size - 1) / size;
    }

    /** The epochs that are begun when {@code step} steps are done. */
    public long epochs(int step) {
        return ceil(step, epochSteps);
    }
}
