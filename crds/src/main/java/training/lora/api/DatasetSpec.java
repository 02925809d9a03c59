package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.Pattern;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.Size;
import io.fabric8.generator.annotation.ValidationRule;
import io.soabase.recordbuilder.core.RecordBuilder;
import org.jspecify.annotations.Nullable;

/** A set of pictures with captions. */
@RecordBuilder
@ValidationRule(
        value = "self.role != 'Validation' || (self.repeats == 1 && self.weight == 1.0)",
        message = "repeats and weight must be 1 where role is Validation",
        fieldPath = ".role")
@ValidationRule(
        value = "self.role != 'Regularization' || !has(self.concept)",
        message = "concept must be unset where role is Regularization",
        fieldPath = ".concept")
@ValidationRule(value = Uris.SHA256_RULE, message = Uris.SHA256_MESSAGE, fieldPath = ".sha256")
@ValidationRule(value = Uris.SECRET_RULE, message = Uris.SECRET_MESSAGE, fieldPath = ".secretRef")
public record DatasetSpec(
        @JsonPropertyDescription("Names the data set in messages. Default main.")
        @Pattern("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$") @Size(min = 1, max = 63) String name,

        @JsonPropertyDescription(
                "A folder or an archive (.zip, .tar or .tar.gz, by its content) of pictures (PNG, JPEG, WebP, BMP, TIFF or JPEG 2000 by their content), with captions beside them as preparation.captions.source says: hf://OWNER/REPOSITORY@REVISION, with /PATH for one file of it, https://…, s3://BUCKET/PREFIX, pvc://CLAIM/PATH, bundled://NAME, or, outside a cluster, a path relative to the file.")
        @Required
        @Pattern(Uris.PATTERN) @Size(max = Uris.MAX_LENGTH) String uri,

        @JsonPropertyDescription(
                "Train, or Regularization: pictures of what must not change, such as other things of the same class (prior preservation); for each picture that is learned from, one of these is trained on too, in turn, and preparation.captions.prefix is not put before their captions; or Validation: pictures that are never trained on, whose loss, on fixed noise and timesteps, is the metric validationLoss of each checkpoint. Default Train.")
        DatasetRole role,

        @JsonPropertyDescription(
                "How often each picture is seen in an epoch; among Regularization sets, relative to each other. Default 1.")
        @Min(1) @Max(10000) Integer repeats,

        @JsonPropertyDescription("The loss of its pictures is multiplied by it. Default 1.")
        @Min(value = 0, inclusive = false) @Max(100) Double weight,

        @JsonPropertyDescription(
                "What its pictures teach. Unset: nothing is put before their captions but preparation.captions.prefix, and all data sets without it teach one concept.")
        @Nullable ConceptSpec concept,

        @JsonPropertyDescription("Digest of the file that uri names, hex; another file is refused. Unset: any.")
        @Pattern(Uris.SHA256) @Size(max = 64) @Nullable String sha256,

        @JsonPropertyDescription("A Secret for the place that uri names. Unset: none, or the identity of the pod.")
        @Nullable SecretRef secretRef)
        implements SourceSpec {
    public DatasetSpec {
        name = orDefault(name, "main");
        role = orDefault(role, DatasetRole.Train);
        repeats = orDefault(repeats, 1);
        weight = orDefault(weight, 1.0);
    }
}
