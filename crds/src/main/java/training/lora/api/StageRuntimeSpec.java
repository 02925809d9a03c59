package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Required;
import org.jspecify.annotations.Nullable;

/** What a stage's container asks for, and what its pod has beside it. */
public record StageRuntimeSpec(
        @JsonPropertyDescription("Prepare, Train or Evaluate.") @Required
        Stage name,

        @JsonPropertyDescription(
                "As a container's resources; what isn't given is the operator's default for the stage.")
        ResourcesSpec resources,

        @JsonPropertyDescription(
                "Labels, annotations and fields of the stage's pod. Where Prepare's or Evaluate's nodeSelector, affinity, tolerations or imagePullSecrets are unset they are Train's, so that the workspace's volume is made where Train can run.")
        @Nullable PodTemplate podTemplate) {
    public StageRuntimeSpec {
        resources = orDefault(resources, Defaults.of(ResourcesSpec.class));
    }
}
