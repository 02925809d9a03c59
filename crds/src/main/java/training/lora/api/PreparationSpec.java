package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.ValidationRule;
import org.jspecify.annotations.Nullable;

/** How pictures and captions are made ready for training. Pictures are scaled to cover a square and cropped at its centre. */
@ValidationRule(
        value = "!has(self.resolution) || self.resolution % 64 == 0",
        message = "resolution must be a multiple of 64",
        fieldPath = ".resolution")
public record PreparationSpec(
        @JsonPropertyDescription(
                "Side of the square in pixels, a multiple of 64. Unset: the model's own (sample size times the autoencoder's factor).")
        @Min(64) @Max(2048) @Nullable Integer resolution,

        @JsonPropertyDescription("Where captions come from.")
        CaptionsSpec captions,

        @JsonPropertyDescription("Which parts of a picture are learned.")
        MaskSpec mask,

        @JsonPropertyDescription("A look at training pictures and samples. Unset: none.") @Nullable SafetySpec safety) {
    public PreparationSpec {
        captions = orDefault(captions, Defaults.of(CaptionsSpec.class));
        mask = orDefault(mask, Defaults.of(MaskSpec.class));
    }
}
