package training.lora.api;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** How far the running stage is. */
public record Progress(
        @JsonPropertyDescription("The stage.") Stage stage,
        @JsonPropertyDescription("Its attempt, from 1.") Integer attempt,
        @JsonPropertyDescription("Steps done.") Integer step,
        @JsonPropertyDescription("Steps in all.") Integer steps,

        @JsonPropertyDescription("step / steps, rounded down.")
        Integer progressPercentage,

        @JsonPropertyDescription("Seconds left in this stage; unset while unknown.") @Nullable Integer estimatedRemainingSeconds,

        @JsonPropertyDescription("progressPercentage for people, for example 61%.")
        String percent,

        @JsonPropertyDescription("estimatedRemainingSeconds for people, for example 4m.") @Nullable String remaining,

        @JsonPropertyDescription("When the trainer reported, RFC 3339.")
        String lastUpdatedTime,

        @JsonPropertyDescription("What it reported.") List<Metric> metrics) {
    public Progress {
        metrics = metrics == null ? List.of() : List.copyOf(metrics);
    }
}
