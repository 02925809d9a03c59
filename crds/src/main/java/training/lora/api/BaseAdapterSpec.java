package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.Pattern;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.Size;
import io.fabric8.generator.annotation.ValidationRule;
import org.jspecify.annotations.Nullable;

/** An adapter that is a part of the base model. */
@ValidationRule(value = Uris.SHA256_RULE, message = Uris.SHA256_MESSAGE, fieldPath = ".sha256")
@ValidationRule(value = Uris.SECRET_RULE, message = Uris.SECRET_MESSAGE, fieldPath = ".secretRef")
public record BaseAdapterSpec(
        @JsonPropertyDescription(
                "A .safetensors file in kohya's or diffusers' form: hf://OWNER/REPOSITORY@REVISION, with /PATH for one file of it, https://…, s3://BUCKET/PREFIX, pvc://CLAIM/PATH, bundled://NAME, or, outside a cluster, a path relative to the file.")
        @Required
        @Pattern(Uris.PATTERN) @Size(max = Uris.MAX_LENGTH) String uri,

        @JsonPropertyDescription("How much of it is added to the weights. Default 1, all of it.") @Min(-10) @Max(10) Double share,

        @JsonPropertyDescription("Digest of the file that uri names, hex; another file is refused. Unset: any.")
        @Pattern(Uris.SHA256) @Size(max = 64) @Nullable String sha256,

        @JsonPropertyDescription("A Secret for the place that uri names. Unset: none, or the identity of the pod.")
        @Nullable SecretRef secretRef)
        implements SourceSpec {
    public BaseAdapterSpec {
        share = orDefault(share, 1.0);
    }
}
