package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Pattern;
import io.fabric8.generator.annotation.Size;
import org.jspecify.annotations.Nullable;

/** Weights & Biases, and what the run is called there. */
public record WandbSpec(
        @JsonPropertyDescription(
                "Where its API is. In a cluster the platform may refuse private addresses and http://. Default https://api.wandb.ai.")
        @Pattern(TrackingSpec.SERVER) @Size(max = 500) String uri,

        @JsonPropertyDescription("The user or team. Unset: the default one of the key.")
        @Pattern("^[A-Za-z0-9._-]{1,128}$") @Nullable String entity,

        @JsonPropertyDescription("The project; it is made where there is none. Default lora-trainings.")
        @Pattern("^[A-Za-z0-9._-]{1,128}$") String project,

        @JsonPropertyDescription("The run's name. Unset: the resource's.") @Size(min = 1, max = 128) @Nullable String runName,

        @JsonPropertyDescription(
                "A Secret with the API key, as token. Outside a cluster it is WANDB_API_KEY of the environment.")
        @Nullable SecretRef secretRef) {
    public WandbSpec {
        uri = orDefault(uri, "https://api.wandb.ai");
        project = orDefault(project, "lora-trainings");
    }
}
