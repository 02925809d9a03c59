package training.lora.trainer.trained;

import io.soabase.recordbuilder.core.RecordBuilder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import training.lora.api.Checkpoint;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.Owner;
import training.lora.api.Reason;
import training.lora.api.RunSpec;
import training.lora.trainer.TrainerException;
import training.lora.trainer.dataset.DatasetManifest;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.run.InputDigests;
import training.lora.trainer.run.InputDigestsBuilder;
import training.lora.trainer.run.SpecScope;
import training.lora.trainer.trained.TrainSummary.Rollback;

/**
 * Where a training stands, beside its tensors: what it needs to go on as if it had never stopped, and whose it is.
 *
 * @param version {@link #VERSION}
 * @param step steps done
 * @param steps steps in all
 * @param owner whose run it is
 * @param spec its spec with all defaults
 * @param datasetDigest sha256 over its pictures and captions
 * @param captionsDigest sha256 over the captions that came back from a review; null where none did
 * @param baseModelDigest sha256 over its base model's files
 * @param initFromDigest sha256 of the adapter that it went on from; null where there was none
 * @param threads how many shared an operation
 * @param begin what was measured before the first step
 * @param greatestNorms the greatest norm so far of what the adapter adds to each part of the model
 * @param rollbacks how often it was set back
 * @param checkpoints those that are kept, oldest first
 * @param measured what was measured of all checkpoints while it trained; null where nothing is
 * @param judge digest of the models that measured; null as well
 * @param stoppedEarly why it ended before its last step; null if it didn't
 */
@RecordBuilder
public record Position(
        String version,
        int step,
        int steps,
        Owner owner,
        LoraTrainingSpec spec,
        String datasetDigest,
        @Nullable String captionsDigest,
        String baseModelDigest,
        @Nullable String initFromDigest,
        int threads,
        Begin begin,
        Map<Component, Double> greatestNorms,
        List<Rollback> rollbacks,
        List<Checkpoint> checkpoints,
        @Nullable List<Checkpoint> measured,
        @Nullable String judge,
        @Nullable String stoppedEarly) {
    /** Version of its JSON. */
    static final String VERSION = "lora.training/state/v3";

    /**
     * Losses under the adapter as it is before the first step.
     *
     * @param fixedSet over the fixed set; null where the watchdog is off
     * @param drawn over batches that are drawn as in training; null as well
     * @param validation over the held-out pictures; null where there are none
     */
    @RecordBuilder
    public record Begin(
            @Nullable Double fixedSet,
            @Nullable Double drawn,
            @Nullable Double validation) {}

    /** Before the first step. */
    public static Position first(RunSpec run, int steps, DatasetManifest data, int threads, Begin begin) {
        return PositionBuilder.builder()
                .version(VERSION)
                .step(0)
                .steps(steps)
                .owner(run.owner())
                .spec(run.spec())
                .datasetDigest(data.digest())
                .baseModelDigest(data.baseModelDigest())
                .threads(threads)
                .begin(begin)
                .greatestNorms(Map.of())
                .rollbacks(List.of())
                .checkpoints(List.of())
                .initFromDigest(data.initFromDigest())
                .captionsDigest(data.captionsDigest())
                .build();
    }

    public Position at(int done, Map<Component, Double> norms, List<Checkpoint> kept) {
        return PositionBuilder.builder(this)
                .step(done)
                .greatestNorms(Collections.unmodifiableMap(new TreeMap<>(norms)))
                .checkpoints(kept)
                .build();
    }

    /** After being set back, with all rollbacks so far. */
    public Position with(List<Rollback> all) {
        return PositionBuilder.builder(this).rollbacks(List.copyOf(all)).build();
    }

    /**
     * After a checkpoint was measured.
     *
     * @param digest of what measured
     * @param why the training ends here; null if it goes on
     */
    public Position with(Checkpoint checkpoint, String digest, @Nullable String why) {
        List<Checkpoint> all = new ArrayList<>(allMeasured());
        all.add(checkpoint);
        return PositionBuilder.builder(this)
                .measured(List.copyOf(all))
                .judge(digest)
                .stoppedEarly(why)
                .build();
    }

    /** What was measured of all checkpoints so far. */
    public List<Checkpoint> allMeasured() {
        return measured == null ? List.of() : measured;
    }

    /** What the schedule's learning rates are multiplied by. */
    public double learningRateFactor() {
        return rollbacks.isEmpty() ? 1 : rollbacks.get(rollbacks.size() - 1).learningRateFactor();
    }

    /** What it is made from. */
    private InputDigests inputs() {
        return InputDigestsBuilder.builder()
                .data(datasetDigest)
                .baseModel(baseModelDigest)
                .initFrom(initFromDigest)
                .captions(captionsDigest)
                .build();
    }

    /**
     * Whether {@code run} may go on from here. A finished training of another configuration gives way.
     *
     * @param now what it is made from
     * @param dataChange says what changed in the data of a digest
     * @param train the train stage's folder, for the message
     * @throws TrainerException InvalidConfiguration, with all that differs, if this training was interrupted
     */
    public boolean isOf(RunSpec run, InputDigests now, Function<String, String> dataChange, Path train) {
        List<String> differences = differences(run, now, dataChange);
        if (!differences.isEmpty() && isInterrupted()) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "a training that was interrupted at step %d of %d must go on as it began, but %s; take another --workspace, or delete %s to begin anew"
                            .formatted(step, steps, String.join(", ", differences), train));
        }
        return differences.isEmpty();
    }

    /** Whether there are steps left. */
    boolean isInterrupted() {
        return step < steps && stoppedEarly == null;
    }

    /**
     * Sees to it that what was measured and what will be can be compared.
     *
     * @param digest of what measures now
     * @param train the train stage's folder, for the message
     * @throws TrainerException InvalidConfiguration if other models measured
     */
    public void requireJudge(String digest, Path train) {
        if (judge != null && !judge.equals(digest)) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "a training that stops early must go on with what measured its checkpoints, but the files of `spec.evaluation.clip` or `aesthetic` have changed; take another --workspace, or delete %s to begin anew"
                            .formatted(train));
        }
    }

    /** How {@code run} differs from what this training depends on, a phrase each; empty if it goes on. */
    private List<String> differences(RunSpec run, InputDigests now, Function<String, String> dataChange) {
        List<String> found = new ArrayList<>();
        if (!owner.equals(run.owner())) {
            found.add(otherOwner(owner, run.owner()));
        }
        found.addAll(SpecScope.Training.changes(spec, run.spec()));
        // Other fields make other data of the same files.
        return found.isEmpty() ? inputs().trainingChanges(now, dataChange) : found;
    }

    static String otherOwner(Owner before, Owner now) {
        return "the run was %s/%s and is %s/%s"
                .formatted(before.namespace(), before.name(), now.namespace(), now.name());
    }
}
