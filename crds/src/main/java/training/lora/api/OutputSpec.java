package training.lora.api;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Pattern;
import io.fabric8.generator.annotation.Size;
import io.fabric8.generator.annotation.ValidationRule;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What is written. */
@ValidationRule(
        value = "!has(self.secretRef) || (has(self.uri) && self.uri.startsWith('s3://'))",
        message = "secretRef must be unset where uri is not s3://",
        fieldPath = ".secretRef")
public record OutputSpec(
        @JsonPropertyDescription(
                "Forms of the adapter file: Kohya (ComfyUI, AUTOMATIC1111), Diffusers (PEFT), and beside one of them for a DoRA A1111Baked: NAME_a1111.safetensors, from which AUTOMATIC1111 draws what was trained, with the full differences of the adapted weights, so as large as they are in fp32 (370 MB for the attention of Stable Diffusion 1.5, 3.8 GB for XL's), beside each checkpoint too: 19 GB for XL's with 5 of them. Default [Kohya, Diffusers].")
        @Size(min = 1, max = 8) List<AdapterFormat> formats,

        @JsonPropertyDescription(
                "Where it is published: s3://BUCKET/PREFIX or pvc://CLAIM/PATH, or, outside a cluster, a path relative to the file; a place that is empty or this run's own. Each checkpoint appears there as it is made, the manifest last. Unset: the folder output of the workspace.")
        @Pattern(Uris.OUTPUT_PATTERN) @Size(max = Uris.MAX_LENGTH) @Nullable String uri,

        @JsonPropertyDescription("A Secret for the bucket. Unset: the identity of the pod.") @Nullable SecretRef secretRef,

        @JsonPropertyDescription(
                "Whether each checkpoint has a folder eden too, with the files that Eden's trainer writes: NAME_VERSION_lora.safetensors, NAME_VERSION_embeddings.safetensors, special_params.json and training_args.json. Default false.")
        @Nullable Boolean eden) {
    public OutputSpec {
        eden = Boolean.TRUE.equals(eden) ? true : null;
        formats = formats == null ? List.of(AdapterFormat.Kohya, AdapterFormat.Diffusers) : List.copyOf(formats);
    }

    /** Whether Eden's files are written. */
    public boolean forEden() {
        return eden != null;
    }
}
