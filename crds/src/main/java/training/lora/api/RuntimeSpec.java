package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Size;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Where and with what the stages run. */
public record RuntimeSpec(
        @JsonPropertyDescription("The trainer's image. Unset: the operator's.") @Size(max = 512) @Nullable String image,

        @JsonPropertyDescription("The volume through which stages hand over.")
        WorkspaceSpec workspace,

        @JsonPropertyDescription("Resources by stage; a list-map by name.") @Size(max = 3) List<StageRuntimeSpec> stages) {
    public RuntimeSpec {
        workspace = orDefault(workspace, Defaults.of(WorkspaceSpec.class));
        stages = stages == null ? List.of() : List.copyOf(stages);
    }
}
