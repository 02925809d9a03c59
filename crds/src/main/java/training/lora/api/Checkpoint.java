package training.lora.api;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A checkpoint and what was measured of it; step 0 is the base model. */
public record Checkpoint(
        @JsonPropertyDescription("Optimizer steps done.") Integer step,
        @JsonPropertyDescription("What was measured.") List<Metric> metrics) {
    public Checkpoint {
        metrics = metrics == null ? List.of() : List.copyOf(metrics);
    }

    /** The metric of that name, or null. */
    public @Nullable Metric metric(String name) {
        return metrics.stream().filter(m -> m.name().equals(name)).findFirst().orElse(null);
    }
}
