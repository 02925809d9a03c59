package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import org.jspecify.annotations.Nullable;

/** When checkpoints are written and how many are kept. */
public record CheckpointsSpec(
        @JsonPropertyDescription(
                "Steps between checkpoints; there is one at the end too, and that alone if everySteps is above steps. Unset: a quarter of the run.")
        @Min(1) @Max(10000000) @Nullable Integer everySteps,

        @JsonPropertyDescription(
                "How many are kept, the newest ones; the one of the lowest loss on the pictures of Validation data sets is kept beyond these. As many states to go on from are kept too. Default 4.")
        @Min(1) @Max(100) Integer keep) {
    public CheckpointsSpec {
        keep = orDefault(keep, 4);
    }
}
