package training.lora.api;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import org.jspecify.annotations.Nullable;

/** A file that came out. */
public record Artifact(
        @JsonPropertyDescription("lora, samples, evaluation, loss, manifest, …")
        String name,

        @JsonPropertyDescription("The form, where it is an adapter.") @Nullable AdapterFormat format,

        @JsonPropertyDescription("Where it is: pvc://CLAIM/PATH in a cluster, else a path.")
        String uri,

        @JsonPropertyDescription("Its size in bytes.") Long sizeBytes,
        @JsonPropertyDescription("Its digest, hex.") String sha256) {}
