package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;

/** What is done when a training goes wrong: it goes back to its last good state and on with a lower learning rate. */
public record WatchdogSpec(
        @JsonPropertyDescription(
                "Watches the loss, the gradient and the norm of what the adapter adds to the weights. For it, and to tell how much was learned, losses of 48 samples are measured before the first step, and of 32 after the last, which takes about as long as 25 steps of batch 1. False: none of that; only a loss or gradient that is no number ends the run. Default true.")
        Boolean enabled,

        @JsonPropertyDescription("How often the run goes back before it fails. Default 2.") @Min(0) @Max(10) Integer rollbacks) {
    public WatchdogSpec {
        enabled = orDefault(enabled, true);
        rollbacks = orDefault(rollbacks, 2);
    }
}
