package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Pattern;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.Size;
import io.fabric8.generator.annotation.ValidationRule;
import org.jspecify.annotations.Nullable;

/** What makes an aesthetic score of a picture: a head on CLIP's vector of it, or a network of its own. */
@ValidationRule(value = Uris.SHA256_RULE, message = Uris.SHA256_MESSAGE, fieldPath = ".sha256")
@ValidationRule(value = Uris.SECRET_RULE, message = Uris.SECRET_MESSAGE, fieldPath = ".secretRef")
@ValidationRule(
        value = "!self.uri.endsWith('.onnx') || self.activation == 'None'",
        message = "must be None where uri names an .onnx network, which has its own",
        fieldPath = ".activation")
public record AestheticSpec(
        @JsonPropertyDescription(
                "A .safetensors file of linear layers, one after the other, from the vector of spec.evaluation.clip (of length 1) to one number: hf://OWNER/REPOSITORY@REVISION/PATH, https://…, s3://BUCKET/PREFIX, pvc://CLAIM/PATH, or, outside a cluster, a path relative to the file. It must be made for that CLIP model. Or an .onnx network that looks at the picture itself, (1, 3, 224, 224) as ImageNet has it, and gives one number; examples/aesthetic makes one of Eden's.")
        @Required
        @Pattern(Uris.PATTERN) @Size(max = Uris.MAX_LENGTH) String uri,

        @JsonPropertyDescription("Digest of the file that uri names, hex; another file is refused. Unset: any.")
        @Pattern(Uris.SHA256) @Size(max = 64) @Nullable String sha256,

        @JsonPropertyDescription("A Secret for the place that uri names. Unset: none, or the identity of the pod.")
        @Nullable SecretRef secretRef,

        @JsonPropertyDescription(
                "What comes between the layers. The published heads (sac-logos-ava1, LAION's) were trained without. Default None.")
        Activation activation)
        implements SourceSpec {
    /** What comes between two layers. */
    public enum Activation {
        None,
        Relu
    }

    public AestheticSpec {
        activation = orDefault(activation, Activation.None);
    }
}
