package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Pattern;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.Size;
import org.jspecify.annotations.Nullable;

/** A tracking server of MLflow, and what the run is called there. */
public record MlflowSpec(
        @JsonPropertyDescription(
                "Where the server is, without /api. In a cluster the platform may refuse private addresses and http://.")
        @Required
        @Pattern(TrackingSpec.SERVER) @Size(max = 500) String uri,

        @JsonPropertyDescription("The experiment's name; it is made where there is none. Default lora-trainings.")
        @Size(min = 1, max = 250) String experiment,

        @JsonPropertyDescription("The run's name. Unset: the resource's.") @Size(min = 1, max = 250) @Nullable String runName,

        @JsonPropertyDescription(
                "A Secret with token, or with username and password. Unset: none. Outside a cluster they are MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, of the environment.")
        @Nullable SecretRef secretRef) {
    public MlflowSpec {
        experiment = orDefault(experiment, "lora-trainings");
    }
}
