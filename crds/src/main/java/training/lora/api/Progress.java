package training.lora.api;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.soabase.recordbuilder.core.RecordBuilder;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** How far the newest attempt of a stage is, or how far it came. */
@RecordBuilder
public record Progress(
        @JsonPropertyDescription("The stage.") Stage stage,
        @JsonPropertyDescription("Its attempt, from 1.") Integer attempt,

        @JsonPropertyDescription("Steps done; unset if it ended without a report.") @Nullable Integer step,

        @JsonPropertyDescription("Steps in all; unset if it ended without a report.") @Nullable Integer steps,

        @JsonPropertyDescription("step / steps, rounded down; 100 when the stage has succeeded.")
        Integer progressPercentage,

        @JsonPropertyDescription("Seconds left in this stage; unset while unknown and when nothing runs.") @Nullable Integer estimatedRemainingSeconds,

        @JsonPropertyDescription("progressPercentage for people, for example 61%.")
        String percent,

        @JsonPropertyDescription("estimatedRemainingSeconds for people, for example 4m.") @Nullable String remaining,

        @JsonPropertyDescription("When the trainer reported or the attempt ended, RFC 3339.")
        String lastUpdatedTime,

        @JsonPropertyDescription(
                "When the pod that reported was made, RFC 3339: what a later pod of the attempt reports is newer, whatever its node's clock says.")
        @Nullable String podCreationTime,

        @JsonPropertyDescription("What it reported.") List<Metric> metrics,

        @JsonPropertyDescription("The newest state from which another attempt could go on.") @Nullable SavedState saved) {
    public Progress {
        metrics = metrics == null ? List.of() : List.copyOf(metrics);
    }
}
