package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;

/** What is done when a training goes wrong: it goes back to its last good state and on with a lower learning rate. */
public record WatchdogSpec(
        @JsonPropertyDescription(
                "Watches the loss, the gradient and the norm of what the adapter adds to the weights. False: only a loss or gradient that is no number ends the run. Default true.")
        Boolean enabled,

        @JsonPropertyDescription("How often the run goes back before it fails. Default 2.") @Min(0) @Max(10) Integer rollbacks) {
    public WatchdogSpec {
        enabled = orDefault(enabled, true);
        rollbacks = orDefault(rollbacks, 2);
    }
}
