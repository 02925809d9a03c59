package training.lora.trainer.trained;

import io.soabase.recordbuilder.core.RecordBuilder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.api.Checkpoint;
import training.lora.api.Json;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.Metric;
import training.lora.api.Owner;
import training.lora.api.Reason;
import training.lora.api.RunSpec;
import training.lora.trainer.TrainerException;
import training.lora.trainer.dataset.DatasetManifest;
import training.lora.trainer.files.WholeFile;
import training.lora.trainer.run.InputDigests;
import training.lora.trainer.run.InputDigestsBuilder;
import training.lora.trainer.run.SpecScope;

/**
 * What the train stage leaves for those after it, in train/summary.json.
 *
 * @param runId the run
 * @param owner whose run it is; null where another release or program wrote this
 * @param spec its spec with all defaults; null as well
 * @param datasetDigest sha256 over its pictures and captions; null as well
 * @param captionsDigest sha256 over the captions that came back from a review; null where none did
 * @param fixedSetLoss the loss over a fixed set before and after; null where the watchdog is off
 * @param validationLoss the loss over the held-out pictures before and after; null where there are none
 * @param checkpoints those that were kept, oldest first
 * @param baseModelDigest of its files
 * @param initFromDigest sha256 of the adapter that it went on from; null where there was none, or another release wrote this
 * @param device where it was computed, at last
 * @param rollbacks how often it was set back, in their order
 * @param stoppedEarly where and why it ended before its last step; null if it didn't
 */
@RecordBuilder
public record TrainSummary(
        String runId,
        @Nullable Owner owner,
        @Nullable LoraTrainingSpec spec,
        @Nullable String datasetDigest,
        @Nullable String captionsDigest,
        @Nullable FixedSetLoss fixedSetLoss,
        @Nullable FixedSetLoss validationLoss,
        List<Checkpoint> checkpoints,
        String baseModelDigest,
        @Nullable String initFromDigest,
        @Nullable String device,
        List<Rollback> rollbacks,
        @Nullable String stoppedEarly) {
    private static final String FILE = "summary.json";

    /**
     * Loss over a fixed set of (picture, noise, timestep).
     *
     * @param before with the fresh adapter, which changes nothing
     * @param after with the trained adapter
     */
    public record FixedSetLoss(double before, double after) {}

    /**
     * A return to the last good state.
     *
     * @param step where the run went wrong
     * @param to the state's step
     * @param learningRateFactor what the schedule's rates are multiplied by from there on
     * @param why what was wrong
     */
    public record Rollback(int step, int to, double learningRateFactor, String why) {}

    /**
     * Reads it from the train stage's folder, without checkpoints that are damaged by now.
     *
     * @throws TrainerException if it is not there, or no checkpoint is whole
     */
    public static TrainSummary read(Path train) throws IOException {
        Path file = train.resolve(FILE);
        if (!Files.isRegularFile(file)) {
            throw new TrainerException(
                    Reason.InvalidConfiguration, file + " must exist: the train stage has to end before evaluation");
        }
        TrainSummary written = Json.MAPPER.readValue(file.toFile(), TrainSummary.class);
        List<Checkpoint> whole = CheckpointFiles.whole(CheckpointFiles.folder(train), written.checkpoints());
        if (whole.isEmpty()) {
            throw new TrainerException(
                    Reason.InvalidData,
                    "a checkpoint in %s must be whole, but all are damaged; `train` writes the last one again"
                            .formatted(CheckpointFiles.folder(train)));
        }
        return TrainSummaryBuilder.builder(written).checkpoints(whole).build();
    }

    /**
     * Sees to it that what is measured is what {@code run} trains.
     *
     * @param data prepared for it
     * @throws TrainerException InvalidConfiguration, with all that differs
     */
    public void requireOf(RunSpec run, DatasetManifest data) {
        List<String> changes = new ArrayList<>();
        if (owner == null || spec == null || datasetDigest == null) {
            changes.add("another release wrote them");
        } else {
            if (!owner.equals(run.owner())) {
                changes.add(Position.otherOwner(owner, run.owner()));
            }
            changes.addAll(SpecScope.Training.changes(spec, run.spec()));
            changes.addAll(InputDigestsBuilder.builder()
                    .data(datasetDigest)
                    .baseModel(baseModelDigest)
                    .initFrom(initFromDigest)
                    .captions(captionsDigest)
                    .build()
                    .trainingChanges(data.inputs(), InputDigests.SOME_DATA));
        }
        if (!changes.isEmpty()) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "the checkpoints must have been trained by this spec, but %s; run `train` again"
                            .formatted(String.join(", ", changes)));
        }
    }

    /** What the watchdog did, and whether it stopped early, in a sentence; null if nothing. */
    public @Nullable String note() {
        List<String> all = new ArrayList<>();
        for (Rollback r : rollbacks) {
            all.add("at step %d %s, so that it went back to step %d and on with %s of the learning rate"
                    .formatted(
                            r.step(),
                            r.why(),
                            r.to(),
                            Metric.of("", r.learningRateFactor()).value()));
        }
        if (stoppedEarly != null) {
            all.add(stoppedEarly);
        }
        return all.isEmpty() ? null : String.join("; ", all);
    }

    public static void delete(Path train) throws IOException {
        Files.deleteIfExists(train.resolve(FILE));
    }

    public void write(Path train) throws IOException {
        WholeFile.write(train.resolve(FILE), temporary -> Json.PRETTY.writeValue(temporary.toFile(), this));
    }
}
