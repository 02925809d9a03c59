package training.lora.api;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.soabase.recordbuilder.core.RecordBuilder;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What the trainer tells while a stage runs; the newest (attempt, step) wins, and any may be lost. */
@RecordBuilder
public record ProgressMessage(
        @JsonPropertyDescription("VERSION.") String version,
        @JsonPropertyDescription("The run.") String runId,
        @JsonPropertyDescription("The stage.") Stage stage,
        @JsonPropertyDescription("Its attempt, from 1.") Integer attempt,
        @JsonPropertyDescription("Steps done.") Integer step,
        @JsonPropertyDescription("Steps in all.") Integer steps,

        @JsonPropertyDescription("Seconds left in this stage; unset while unknown.") @Nullable Integer estimatedRemainingSeconds,

        @JsonPropertyDescription("When, RFC 3339.") String time,

        @JsonPropertyDescription(
                "loss, learningRate, foundRate, tokensLearningRate, tokensFoundRate, gradientNorm, imagesPerSecond, addedLosses.FIELD of losses beside the prediction's, by their fields below spec.training.")
        List<Metric> metrics,

        @JsonPropertyDescription("A checkpoint that exists now.") @Nullable Checkpoint checkpoint,

        @JsonPropertyDescription("The newest state from which another attempt could go on.") @Nullable SavedState saved) {
    public ProgressMessage {
        metrics = metrics == null ? List.of() : List.copyOf(metrics);
    }
    /** Version of this message's JSON. */
    public static final String VERSION = "lora.training/progress/v1";
}
