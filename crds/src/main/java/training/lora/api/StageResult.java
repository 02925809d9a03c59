package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.soabase.recordbuilder.core.RecordBuilder;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** How a stage ended; the termination message of its pod, at most 4096 bytes of JSON. */
@RecordBuilder
public record StageResult(
        @JsonPropertyDescription("VERSION.") String version,
        @JsonPropertyDescription("The run.") String runId,
        @JsonPropertyDescription("The stage.") Stage stage,
        @JsonPropertyDescription("Its attempt, from 1.") Integer attempt,
        @JsonPropertyDescription("How it ended.") Outcome outcome,
        @JsonPropertyDescription("Why it failed.") @Nullable Reason reason,

        @JsonPropertyDescription("One sentence about the failure, or about what a success had to overcome.") @Nullable String message,

        @JsonPropertyDescription("The newest state from which another attempt can go on.") @Nullable SavedState saved,

        @JsonPropertyDescription("The output holds a finished run of the same owner and hash: nothing is left to do.")
        Boolean alreadyComplete,

        @JsonPropertyDescription("Where and why the training ended before its last step.") @Nullable String stoppedEarly,

        @JsonPropertyDescription("The base model's family.") @Nullable String model,

        @JsonPropertyDescription("sha256 over the base model's files.") @Nullable String baseModelDigest,

        @JsonPropertyDescription("sha256 over the pictures and captions.") @Nullable String datasetDigest,

        @JsonPropertyDescription("What was measured of the base model.") @Nullable Checkpoint base,

        @JsonPropertyDescription("The best checkpoint.") @Nullable Checkpoint best,

        @JsonPropertyDescription("The checkpoints.") List<Checkpoint> checkpoints,

        @JsonPropertyDescription("Files in the output, uri relative to the workspace.")
        List<Artifact> artifacts) {
    public StageResult {
        alreadyComplete = orDefault(alreadyComplete, false);
        checkpoints = checkpoints == null ? List.of() : List.copyOf(checkpoints);
        artifacts = artifacts == null ? List.of() : List.copyOf(artifacts);
    }
    /** Version of this message's JSON. */
    public static final String VERSION = "lora.training/result/v1";

    /** Kubernetes cuts a longer termination message. */
    public static final int MAX_BYTES = 4096;
}
