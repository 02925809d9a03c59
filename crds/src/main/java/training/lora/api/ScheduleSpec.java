package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;

/** The learning rate's course: linear warm-up, then constant or half a cosine to zero. */
public record ScheduleSpec(
        @JsonPropertyDescription("Constant or Cosine. Default Cosine.")
        ScheduleType type,

        @JsonPropertyDescription("Steps in which the rate rises linearly from 0. Default 0.") @Min(0) @Max(10000000) Integer warmupSteps) {
    public ScheduleSpec {
        type = orDefault(type, ScheduleType.Cosine);
        warmupSteps = orDefault(warmupSteps, 0);
    }
}
