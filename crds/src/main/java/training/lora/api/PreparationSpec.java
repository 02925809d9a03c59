package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.Pattern;
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

        @JsonPropertyDescription("Colour behind the transparent parts of pictures, #rrggbb. Default #ffffff, white.")
        @Pattern("^#[0-9a-fA-F]{6}$") String background,

        @JsonPropertyDescription(
                "Whether a picture that can't be read is an error. Default false: it is left out and named, unless most of them can't be read.")
        Boolean strict,

        @JsonPropertyDescription("How many pixels a picture may have; one of more is not read. Default 250000000.")
        @Min(1) @Max(1073741823) Long maxPixels,

        @JsonPropertyDescription("How many pictures all data sets may have. Default 100000.") @Min(1) Integer maxPictures,

        @JsonPropertyDescription("Which parts of a picture are learned.")
        MaskSpec mask,

        @JsonPropertyDescription("A look at training pictures and samples. Unset: none.") @Nullable SafetySpec safety) {
    /** The default background. */
    public static final String WHITE = "#ffffff";

    /** The default of {@link #maxPixels}. */
    public static final long MAX_PIXELS = 250_000_000;

    public PreparationSpec {
        background = orDefault(background, WHITE);
        strict = orDefault(strict, false);
        maxPixels = orDefault(maxPixels, MAX_PIXELS);
        maxPictures = orDefault(maxPictures, 100_000);
        captions = orDefault(captions, Defaults.of(CaptionsSpec.class));
        mask = orDefault(mask, Defaults.of(MaskSpec.class));
    }
}
