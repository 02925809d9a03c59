package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.ValidationRule;
import org.jspecify.annotations.Nullable;

/** What is done with pictures that are smaller than the size that they are brought to. */
@ValidationRule(
        value = "has(self.model) == (has(self.source) && self.source == 'Swin2SR')",
        message = "model must be given where source is Swin2SR, and unset elsewhere",
        fieldPath = ".model")
public record UpscaleSpec(
        @JsonPropertyDescription(
                "None: nothing is enlarged with sizing Buckets, where small pictures get smaller sizes; other sizings have no smaller size, and enlarge by Lanczos' filter. Lanczos: enlarged by this filter with every sizing. Swin2SR: by the model, where a picture must become at least a third longer; a little by Lanczos' filter. Default None.")
        UpscaleSource source,

        @JsonPropertyDescription(
                "A Swin2SR model in the ONNX format, such as hf://Xenova/swin2SR-realworld-sr-x4-64-bsrgan-psnr (54 MB, Apache-2.0). Unset: none.")
        @Nullable ModelSpec model) {
    public UpscaleSpec {
        source = orDefault(source, UpscaleSource.None);
    }
}
