package training.lora.api;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Pattern;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.Size;
import io.fabric8.generator.annotation.ValidationRule;
import org.jspecify.annotations.Nullable;

/** A model that helps to prepare or to measure, and is not trained. The field that has it says which kind it must be. */
@ValidationRule(value = Uris.SHA256_RULE, message = Uris.SHA256_MESSAGE, fieldPath = ".sha256")
@ValidationRule(value = Uris.SECRET_RULE, message = Uris.SECRET_MESSAGE, fieldPath = ".secretRef")
public record ModelSpec(
        @JsonPropertyDescription(
                "A file, or a folder with the model's files under their published names: hf://OWNER/REPOSITORY@REVISION, with /PATH for one file of it, https://…, s3://BUCKET/PREFIX, pvc://CLAIM/PATH, bundled://NAME, or, outside a cluster, a path relative to the file.")
        @Required
        @Pattern(Uris.PATTERN) @Size(max = Uris.MAX_LENGTH) String uri,

        @JsonPropertyDescription("Digest of the file that uri names, hex; another file is refused. Unset: any.")
        @Pattern(Uris.SHA256) @Size(max = 64) @Nullable String sha256,

        @JsonPropertyDescription("A Secret for the place that uri names. Unset: none, or the identity of the pod.")
        @Nullable SecretRef secretRef)
        implements SourceSpec {}
