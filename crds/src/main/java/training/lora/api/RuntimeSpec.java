package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Pattern;
import io.fabric8.generator.annotation.Size;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Where and with what the stages run. */
public record RuntimeSpec(
        @JsonPropertyDescription("The trainer's image. Unset: the operator's.") @Size(max = 512) @Nullable String image,

        @JsonPropertyDescription(
                "The service account of the stages' pods, for example one that a cloud lets read a bucket; it must bear the label lora.training/allow: \"true\", and its token for the API server is not mounted. Unset: the namespace's default.")
        @Pattern(DNS_SUBDOMAIN) @Size(max = 253) @Nullable String serviceAccountName,

        @JsonPropertyDescription("The volume through which stages hand over.")
        WorkspaceSpec workspace,

        @JsonPropertyDescription(
                "Where downloads are kept. Unset: in the run's workspace, so that each run downloads anew.")
        @Nullable CacheSpec cache,

        @JsonPropertyDescription("Resources and pod templates by stage; a list-map by name.") @Size(max = 3) List<StageRuntimeSpec> stages) {
    /** What the names of most objects look like. */
    static final String DNS_SUBDOMAIN = "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$";

    public RuntimeSpec {
        workspace = orDefault(workspace, Defaults.of(WorkspaceSpec.class));
        stages = stages == null ? List.of() : List.copyOf(stages);
    }
}
