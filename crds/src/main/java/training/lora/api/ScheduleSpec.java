package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.ValidationRule;
import org.jspecify.annotations.Nullable;

/** The learning rate's course: a linear warm-up to the highest rate, then a fall. */
@ValidationRule(
        value = "!has(self.type) || self.type != 'Exponential' || !has(self.finalFraction) || self.finalFraction > 0.0",
        message = "finalFraction must be greater than 0 with Exponential",
        fieldPath = ".finalFraction")
@ValidationRule(
        value = "!has(self.warmupFrom) || self.warmupSteps > 0",
        message = "warmupFrom must be unset where there are no warmupSteps",
        fieldPath = ".warmupFrom")
@ValidationRule(
        value = "!has(self.finalFraction) || !has(self.type) || self.type != 'Constant'",
        message = "finalFraction must be unset with Constant, which doesn't fall",
        fieldPath = ".finalFraction")
@ValidationRule(
        value = "self.cycles == 3 || (has(self.type) && self.type == 'CosineRestarts')",
        message = "cycles must be unset or 3, its default, unless type is CosineRestarts",
        fieldPath = ".cycles")
@ValidationRule(
        value = "self.power == 2.0 || (has(self.type) && self.type == 'Polynomial')",
        message = "power must be unset or 2, its default, unless type is Polynomial",
        fieldPath = ".power")
public record ScheduleSpec(
        @JsonPropertyDescription(
                "How it falls: Constant (not at all), Linear, Cosine (half a wave), CosineRestarts (half a wave in each cycle), Polynomial or Exponential. Unset: Constant with schedule-free optimizers, else Cosine.")
        @Nullable ScheduleType type,

        @JsonPropertyDescription(
                "Steps in which the rate rises, linearly from 0 unless there is a warmupFrom. Default 0.")
        @Min(0) @Max(10000000) Integer warmupSteps,

        @JsonPropertyDescription(
                "Learning rate with which the warm-up begins, to rise by the same factor at each step; it is multiplied as learningRate is where rates differ. Unset: it rises linearly from 0.")
        @Min(value = 0, inclusive = false) @Max(10) @Nullable Double warmupFrom,

        @JsonPropertyDescription(
                "Share of the highest rate to which it falls, from 0 to 1; with Constant it must be unset. Unset: 0.01 with Exponential, else 0.")
        @Min(0) @Max(1) @Nullable Double finalFraction,

        @JsonPropertyDescription(
                "How many times the rate falls with CosineRestarts; with another type it must be unset. Default 3.")
        @Min(1) @Max(1000) Integer cycles,

        @JsonPropertyDescription(
                "Power by which the rate falls with Polynomial, of which 1 is Linear; with another type it must be unset. Default 2.")
        @Min(value = 0, inclusive = false) @Max(100) Double power) {
    static final int USUAL_CYCLES = 3;
    static final double USUAL_POWER = 2;

    private static final double EXPONENTIAL_FRACTION = 0.01;

    public ScheduleSpec {
        warmupSteps = orDefault(warmupSteps, 0);
        cycles = orDefault(cycles, USUAL_CYCLES);
        power = orDefault(power, USUAL_POWER);
    }

    /** The same, of {@code unset} where it has no type. */
    ScheduleSpec orType(ScheduleType unset) {
        return type != null ? this : new ScheduleSpec(unset, warmupSteps, warmupFrom, finalFraction, cycles, power);
    }

    /** Whether its warm-up has an end within {@code steps}; one that begins above 0 may last for all of them. */
    public boolean rises(long steps) {
        return warmupSteps < steps || (warmupFrom != null && warmupSteps == steps);
    }

    /** How it falls; where it has no type, as with most optimizers. */
    public ScheduleType course() {
        return type == null ? ScheduleType.Cosine : type;
    }

    /** Share of the highest rate to which it falls: as given, else by its type. */
    public double lowestFraction() {
        return finalFraction != null ? finalFraction : type == ScheduleType.Exponential ? EXPONENTIAL_FRACTION : 0;
    }
}
