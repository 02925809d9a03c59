package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;

/** How many of the ranks a sample trains, by its timestep (T-LoRA): at t of T, ((T - t) / T)^exponent (rank - minimum) + minimum. */
public record TimestepRankSpec(
        @JsonPropertyDescription("Ranks that every timestep trains. Default 1.") @Min(1) @Max(1024) Integer minimum,

        @JsonPropertyDescription("The greater, the faster ranks fall towards the noisiest timestep. Default 1.")
        @Min(value = 0, inclusive = false) Double exponent) {
    public TimestepRankSpec {
        minimum = orDefault(minimum, 1);
        exponent = orDefault(exponent, 1.0);
    }
}
