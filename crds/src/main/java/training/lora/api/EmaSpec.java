package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;

/** An exponential moving average of what is trained. */
public record EmaSpec(
        @JsonPropertyDescription(
                "What the average keeps of itself at a step, at most: it rises with the steps t as (1 + t) / (10 + t). Default 0.999.")
        @Min(0) @Max(value = 1, inclusive = false) Double decay) {
    public EmaSpec {
        decay = orDefault(decay, 0.999);
    }
}
