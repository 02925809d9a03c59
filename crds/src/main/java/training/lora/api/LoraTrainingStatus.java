package training.lora.api;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.kubernetes.api.model.Condition;
import io.soabase.recordbuilder.core.RecordBuilder;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What was observed of a run. */
@RecordBuilder
public record LoraTrainingStatus(
        @JsonPropertyDescription("The generation of the spec that this status speaks of.") @Nullable Long observedGeneration,

        @JsonPropertyDescription(
                "Complete, Failed, Suspended, Reconciling, Stalled; AwaitingReview where a run waits for its captions.")
        List<Condition> conditions,

        @JsonPropertyDescription("Hash of what the run depends on.") @Nullable String runId,

        @JsonPropertyDescription(
                "When the run's first container began to run, RFC 3339; from then on what the run depends on can't change.")
        @Nullable String startTime,

        @JsonPropertyDescription("The trainer's image, from `startTime` on.") @Nullable String image,

        @JsonPropertyDescription(
                "For how many seconds containers of the run have run, without the one that runs now; what `spec.activeDeadlineSeconds` limits.")
        @Nullable Integer activeSeconds,

        @JsonPropertyDescription(
                "What limited the run when it failed: if one of these is raised, or `spec.runtime` changes, it goes on from where it was.")
        @Nullable RunLimits limits,

        @JsonPropertyDescription("The stage that runs, or Complete, Failed, Suspended; for people.") @Nullable String phase,

        @JsonPropertyDescription("The base model's family, detected.") @Nullable String model,

        @JsonPropertyDescription("The newest training loss that was reported; for people.") @Nullable String loss,

        @JsonPropertyDescription("The stages begun so far; a list-map by name.")
        List<StageStatus> stages,

        @JsonPropertyDescription("How far the newest attempt is, or how far it came.") @Nullable Progress progress,

        @JsonPropertyDescription("What was measured of the base model.") @Nullable Checkpoint base,

        @JsonPropertyDescription("The best checkpoint.") @Nullable Checkpoint best,

        @JsonPropertyDescription("What was measured of each checkpoint; a list-map by step.")
        List<Checkpoint> checkpoints,

        @JsonPropertyDescription("Where and why the training ended before its last step; unset if it didn't.") @Nullable String stoppedEarly,

        @JsonPropertyDescription("What came out.") List<Artifact> artifacts,

        @JsonPropertyDescription("What it was made from.") @Nullable Provenance provenance) {
    public LoraTrainingStatus {
        conditions = conditions == null ? List.of() : List.copyOf(conditions);
        stages = stages == null ? List.of() : List.copyOf(stages);
        checkpoints = checkpoints == null ? List.of() : List.copyOf(checkpoints);
        artifacts = artifacts == null ? List.of() : List.copyOf(artifacts);
    }
}
