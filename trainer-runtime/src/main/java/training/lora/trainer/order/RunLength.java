package training.lora.trainer.order;

import io.soabase.recordbuilder.core.RecordBuilder;
import java.util.List;
import java.util.function.LongUnaryOperator;
import org.jspecify.annotations.Nullable;
import training.lora.api.DatasetRole;
import training.lora.api.DatasetSpec;
import training.lora.api.Reason;
import training.lora.api.TrainingSpec;
import training.lora.trainer.TrainerException;

/**
 * How long a run is. Where all pictures have one size it is counted as kohya's trainer counts: an epoch is
 * {@code ceil(samples / (batch * accumulation))} steps ({@code num_update_steps_per_epoch} of its train_network.py), where
 * samples are the pictures that are learned from, each as often as it is repeated, and as many again where there are pictures
 * for regularization. Where they have several sizes, so many epochs are as many steps as the batches make that are begun in
 * them: rounding each size up in each epoch would be far more.
 *
 * @param epochSamples samples in an epoch
 * @param epochBatches batches in an epoch, the last of which may be completed by the next epoch's samples; the mean over the
 *     run where there are several sizes
 * @param epochSteps steps in an epoch, likewise
 * @param steps steps in all
 * @param everySteps steps between checkpoints; null where they lie evenly over the run
 * @param sizes steps of so many epochs of pictures that have several sizes; null where they have one
 */
@RecordBuilder
public record RunLength(
        long epochSamples,
        long epochBatches,
        long epochSteps,
        int steps,
        @Nullable Integer everySteps,
        @Nullable LongUnaryOperator sizes) {
    /**
     * The length of {@code training} on pictures of one size.
     *
     * @param pictures the data set of each picture; one of them at least is learned from
     * @throws TrainerException InvalidConfiguration if its epochs are too many steps, or fewer than other settings need
     */
    public static RunLength of(TrainingSpec training, List<DatasetSpec> pictures) {
        return of(training, pictures, null);
    }

    /**
     * The length of {@code training}.
     *
     * @param pictures the data set of each picture; one of them at least is learned from
     * @param begun how many batches are begun in so many epochs where pictures have several sizes; null where they have one
     * @throws TrainerException InvalidConfiguration if its epochs are too many steps, or fewer than other settings need
     */
    public static RunLength of(TrainingSpec training, List<DatasetSpec> pictures, @Nullable LongUnaryOperator begun) {
        long learned = pictures.stream()
                .filter(d -> d.role() == DatasetRole.Train)
                .mapToLong(DatasetSpec::repeats)
                .sum();
        boolean mixed = pictures.stream().anyMatch(d -> d.role() == DatasetRole.Regularization);
        long samples = mixed ? 2 * learned : learned;
        int accumulation = training.gradientAccumulation();
        long batches = ceil(samples, training.batchSize());
        RunLength one = RunLengthBuilder.builder()
                .epochSamples(samples)
                .epochBatches(batches)
                .epochSteps(ceil(batches, accumulation))
                .steps(0)
                .everySteps(training.checkpoints().everySteps())
                .build();
        if (begun == null) {
            return RunLengthBuilder.builder(one).steps(steps(training, one)).build();
        }
        RunLength several = RunLengthBuilder.builder(one)
                .sizes(epochs -> ceil(begun.applyAsLong(epochs), accumulation))
                .build();
        int steps = steps(training, several);
        Integer given = training.epochs();
        long epochs = given == null ? several.epochs(steps) : given;
        return RunLengthBuilder.builder(several)
                .epochBatches(ceil(begun.applyAsLong(epochs), epochs))
                .epochSteps(ceil(several.steps(epochs), epochs))
                .steps(steps)
                .build();
    }

    private static int steps(TrainingSpec training, RunLength length) {
        Integer epochs = training.epochs();
        int steps = epochs == null ? training.steps() : ofEpochs(training, epochs, length);
        double tokens = training.tokensStop() * steps;
        int warmup = training.tokens().warmupSteps();
        if (warmup > 0 && warmup >= tokens) {
            throw invalid(
                    "`spec.training.tokens.warmupSteps` must be less than the %s steps in which tokens are trained, was %d"
                            .formatted(Math.round(tokens), warmup));
        }
        return steps;
    }

    private static int ofEpochs(TrainingSpec training, int epochs, RunLength length) {
        long steps = length.steps(epochs);
        if (steps > TrainingSpec.MOST_STEPS) {
            throw invalid("`spec.training.epochs` must come to at most %d steps, but %d epochs of %d are %d"
                    .formatted(TrainingSpec.MOST_STEPS, epochs, ceil(steps, epochs), steps));
        }
        if (!training.optimizer().schedule().rises(steps)) {
            throw invalid(
                    "`spec.training.optimizer.schedule.warmupSteps` must be less than the %d steps of %d epochs, was %d"
                            .formatted(
                                    steps,
                                    epochs,
                                    training.optimizer().schedule().warmupSteps()));
        }
        return (int) steps;
    }

    private static TrainerException invalid(String message) {
        return new TrainerException(Reason.InvalidConfiguration, message);
    }

    private static long ceil(long count, long size) {
        return (count + size - 1) / size;
    }

    /** Steps of {@code epochs} epochs. */
    private long steps(long epochs) {
        return sizes == null ? epochs * epochSteps : sizes.applyAsLong(epochs);
    }

    /** The epochs that are begun when {@code step} steps are done. */
    public long epochs(int step) {
        long least = 0;
        long most = 1;
        while (steps(most) < step) {
            least = most;
            most *= 2;
        }
        while (step > 0 && most - least > 1) {
            long middle = (least + most) >>> 1;
            if (steps(middle) < step) {
                least = middle;
            } else {
                most = middle;
            }
        }
        return step > 0 ? most : 0;
    }
}
