package training.lora.api;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Pattern;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.Size;
import io.fabric8.generator.annotation.ValidationRule;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The base model. */
@ValidationRule(
        value =
                "!has(self.zeroTerminalSnr) || !self.zeroTerminalSnr || !has(self.prediction) || self.prediction != 'Epsilon'",
        message = "zeroTerminalSnr needs prediction V, was Epsilon",
        fieldPath = ".zeroTerminalSnr")
@ValidationRule(value = Uris.SHA256_RULE, message = Uris.SHA256_MESSAGE, fieldPath = ".sha256")
@ValidationRule(value = Uris.SECRET_RULE, message = Uris.SECRET_MESSAGE, fieldPath = ".secretRef")
public record BaseModelSpec(
        @JsonPropertyDescription(
                "A diffusers folder, or a single .safetensors file in the original code's names (as ComfyUI and AUTOMATIC1111 have checkpoints), or an archive (.zip, .tar, .tar.gz) of either: hf://OWNER/REPOSITORY@REVISION, with /PATH for one file of it, https://…, s3://BUCKET/PREFIX, pvc://CLAIM/PATH, bundled://NAME, or, outside a cluster, a path relative to the file.")
        @Required
        @Pattern(Uris.PATTERN) @Size(max = Uris.MAX_LENGTH) String uri,

        @JsonPropertyDescription(
                "SD15 (Stable Diffusion 1.x) or SDXL; a model of another family is refused. Unset: detected.")
        @Nullable ModelFamily family,

        @JsonPropertyDescription(
                "What the model predicts: Epsilon or V. Unset: what its scheduler_config.json says, or a single file's marker v_pred or metadata modelspec.prediction_type, else Epsilon.")
        @Nullable Prediction prediction,

        @JsonPropertyDescription(
                "Whether the last timestep is pure noise (rescaled betas), which prediction V alone can have. Unset: what its scheduler_config.json says, or a single file's marker ztsnr where it predicts V, else false.")
        @Nullable Boolean zeroTerminalSnr,

        @JsonPropertyDescription("An autoencoder that takes the place of the model's own. Unset: its own.") @Nullable VaeSpec vae,

        @JsonPropertyDescription(
                "Adapters that are added to the model's weights before anything else, as if the model had been merged with them. Unset: none.")
        @Size(max = 8) @Nullable List<BaseAdapterSpec> adapters,

        @JsonPropertyDescription("Digest of the file that uri names, hex; another file is refused. Unset: any.")
        @Pattern(Uris.SHA256) @Size(max = 64) @Nullable String sha256,

        @JsonPropertyDescription("A Secret for the place that uri names. Unset: none, or the identity of the pod.")
        @Nullable SecretRef secretRef)
        implements SourceSpec {
    public BaseModelSpec {
        adapters = adapters == null || adapters.isEmpty() ? null : List.copyOf(adapters);
    }

    /** The same, without the difference of none and unset. */
    public List<BaseAdapterSpec> merged() {
        return adapters == null ? List.of() : adapters;
    }
}
