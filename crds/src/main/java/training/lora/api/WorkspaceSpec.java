package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Pattern;
import io.fabric8.generator.annotation.Size;
import org.jspecify.annotations.Nullable;

/** The volume through which stages hand over. */
public record WorkspaceSpec(
        @JsonPropertyDescription(
                "An existing claim; the run uses a folder of its own in it, which stays when the resource is deleted. Unset: a claim is made.")
        @Size(max = 253) @Nullable String claimName,

        @JsonPropertyDescription("Size of the claim that is made. Default 20Gi.")
        @Pattern("^[0-9]+(Ki|Mi|Gi|Ti|k|M|G|T)?$") @Size(max = 20) String size,

        @JsonPropertyDescription("Storage class of the claim that is made. Unset: the cluster's default.")
        @Size(max = 253) @Nullable String storageClassName,

        @JsonPropertyDescription(
                "Delete: the claim that is made is deleted with the resource. Retain: it stays, and a resource of the same name that says Retain too goes on with it. Default Delete.")
        Retention retention) {
    public WorkspaceSpec {
        size = orDefault(size, "20Gi");
        retention = orDefault(retention, Retention.Delete);
    }
}
