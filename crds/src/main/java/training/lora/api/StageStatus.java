package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.soabase.recordbuilder.core.RecordBuilder;
import org.jspecify.annotations.Nullable;

/** A stage of the run. */
@RecordBuilder
public record StageStatus(
        @JsonPropertyDescription("Prepare, Train or Evaluate.")
        Stage name,

        @JsonPropertyDescription("Which attempt this is, from 1.")
        Integer attempt,

        @JsonPropertyDescription(
                "How many attempts have failed so far; one that was suspended or preempted has not. At most `spec.retries` of them are followed by another attempt.")
        Integer failures,

        @JsonPropertyDescription(
                "How many attempts in a row were ended from outside before they wrote a newer state; the delay before the next one grows with them.")
        Integer interruptions,

        @JsonPropertyDescription("The Job that runs it.") String jobName,

        @JsonPropertyDescription("When its Job was made, RFC 3339.") @Nullable String startTime,

        @JsonPropertyDescription(
                "Since when the operator sees its container run, RFC 3339; unset while it does not, and while its node is lost.")
        @Nullable String runningSince,

        @JsonPropertyDescription(
                "Since when its Job may run its container and none runs, RFC 3339: what `spec.startDeadlineSeconds` limits; unset while it runs, is queued or is over.")
        @Nullable String waitingSince,

        @JsonPropertyDescription("When it ended, RFC 3339.") @Nullable String completionTime,

        @JsonPropertyDescription("How it ended; unset while it runs.") @Nullable Outcome outcome,

        @JsonPropertyDescription("Why it failed.") @Nullable Reason reason,

        @JsonPropertyDescription("What people should know of the stage, such as what it left out, or of its failure.")
        @Nullable String message,

        @JsonPropertyDescription("The newest state that is known of, from which the next attempt goes on.") @Nullable SavedState saved,

        @JsonPropertyDescription(
                "Hash of the value of the annotation by which a run that waited for its captions went on; another value lets it try again where they were wrong.")
        @Nullable String review,

        @JsonPropertyDescription(
                "Hashes of the versions of the Secrets and the service account as the attempt was made, by which a failed run may go on once one of them has changed.")
        @Nullable String references) {
    public StageStatus {
        failures = orDefault(failures, 0);
        interruptions = orDefault(interruptions, 0);
    }
}
