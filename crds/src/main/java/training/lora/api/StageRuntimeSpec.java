package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Required;

/** What a stage's container asks for. */
public record StageRuntimeSpec(
        @JsonPropertyDescription("Prepare, Train or Evaluate.") @Required
        Stage name,

        @JsonPropertyDescription("As a container's resources.")
        ResourcesSpec resources) {
    public StageRuntimeSpec {
        resources = orDefault(resources, Defaults.of(ResourcesSpec.class));
    }
}
