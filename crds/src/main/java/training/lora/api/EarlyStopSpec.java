package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;

/** When a training ends before its last step, since checkpoints get no better. */
public record EarlyStopSpec(
        @JsonPropertyDescription(
                "The training stops when so many checkpoints in a row have not risen above the best one before them. Those before the first that is above 0 don't count. Default 3.")
        @Min(1) @Max(1000) Integer patience,

        @JsonPropertyDescription(
                "How much a checkpoint must be above the best one before it to count as risen. Default 0.")
        @Min(0) @Max(1) Double minDelta) {
    public EarlyStopSpec {
        patience = orDefault(patience, 3);
        minDelta = orDefault(minDelta, 0.0);
    }
}
