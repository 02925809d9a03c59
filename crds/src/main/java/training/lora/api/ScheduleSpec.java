package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.ValidationRule;
import org.jspecify.annotations.Nullable;

/** The learning rate's course: a linear warm-up to the highest rate, then a fall. */
@ValidationRule(
        value = "self.type != 'Exponential' || !has(self.finalFraction) || self.finalFraction > 0.0",
        message = "finalFraction must be greater than 0 with Exponential",
        fieldPath = ".finalFraction")
public record ScheduleSpec(
        @JsonPropertyDescription(
                "How it falls: Constant (not at all), Linear, Cosine (half a wave), CosineRestarts (half a wave in each cycle), Polynomial or Exponential. Default Cosine.")
        ScheduleType type,

        @JsonPropertyDescription("Steps in which the rate rises linearly from 0. Default 0.") @Min(0) @Max(10000000) Integer warmupSteps,

        @JsonPropertyDescription(
                "Share of the highest rate to which it falls, from 0 to 1. Unset: 0.01 with Exponential, else 0.")
        @Min(0) @Max(1) @Nullable Double finalFraction,

        @JsonPropertyDescription("Falls of CosineRestarts. Default 3.") @Min(1) @Max(1000) Integer cycles,

        @JsonPropertyDescription("Power of Polynomial; 1 is Linear. Default 2.")
        @Min(value = 0, inclusive = false) @Max(100) Double power) {
    private static final double EXPONENTIAL_FRACTION = 0.01;

    public ScheduleSpec {
        type = orDefault(type, ScheduleType.Cosine);
        warmupSteps = orDefault(warmupSteps, 0);
        cycles = orDefault(cycles, 3);
        power = orDefault(power, 2.0);
    }

    /** Share of the highest rate to which it falls: as given, else by its type. */
    public double lowestFraction() {
        return finalFraction != null ? finalFraction : type == ScheduleType.Exponential ? EXPONENTIAL_FRACTION : 0;
    }
}
