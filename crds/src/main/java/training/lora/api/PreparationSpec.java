package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.Pattern;
import io.fabric8.generator.annotation.Size;
import io.fabric8.generator.annotation.ValidationRule;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** How pictures and captions are made ready for training. Pictures are scaled to cover a size, and what is left over is cropped. */
@ValidationRule(
        value = "!has(self.resolution) || self.resolution % 64 == 0",
        message = "resolution must be a multiple of 64",
        fieldPath = ".resolution")
@ValidationRule(
        value = "!has(self.resolutions) || self.resolutions.all(r, r >= 64 && r <= 2048 && r % 64 == 0)",
        message = "resolutions must be multiples of 64 from 64 to 2048",
        fieldPath = ".resolutions")
@ValidationRule(
        value = "!has(self.resolution) || !has(self.resolutions) || size(self.resolutions) == 0",
        message = "resolution must be unset where there are resolutions",
        fieldPath = ".resolution")
@ValidationRule(
        value =
                "!has(self.crop) || self.crop != 'Salience' || (has(self.mask) && has(self.mask.source) && self.mask.source != 'None')",
        message = "crop Salience needs a mask.source other than None",
        fieldPath = ".crop")
@ValidationRule(
        value =
                "!has(self.buckets) || (!has(self.buckets.minimumSide) && !has(self.buckets.maximumSide)) || (has(self.sizing) && self.sizing == 'Buckets')",
        message = "buckets must be unset where sizing is not Buckets",
        fieldPath = ".buckets")
public record PreparationSpec(
        @JsonPropertyDescription(
                "Side of the square in pixels, a multiple of 64; with other sizings, the root of the area. Pictures are drawn as squares of this side, whatever the sizing. Unset: the model's own (sample size times the autoencoder's factor).")
        @Min(64) @Max(2048) @Nullable Integer resolution,

        @JsonPropertyDescription(
                "Instead of resolution: several, each a multiple of 64. Each picture is trained on at each of them, so that an epoch has as many times the pictures. Pictures are drawn at the largest. Default [].")
        @Size(max = 8) List<Integer> resolutions,

        @JsonPropertyDescription(
                "CenterCrop: a square; AverageAspect: one size for all, resolution x resolution in area, with the mean of the pictures' ratios of width to height, its sides the nearest multiples of 64; Buckets: for each picture the size of its own shape, among multiples of 64 up to that area. With CenterCrop and AverageAspect smaller pictures are enlarged; with Buckets they get smaller sizes unless upscale says otherwise. Default CenterCrop.")
        Sizing sizing,

        @JsonPropertyDescription("The sizes of sizing Buckets.")
        BucketsSpec buckets,

        @JsonPropertyDescription(
                "Center: the middle of a picture; Salience: around the centre of mass of its mask, within the picture, and with the whole of what the mask shows where that fits. Default Center.")
        CropMode crop,

        @JsonPropertyDescription("What is done with small pictures.")
        UpscaleSpec upscale,

        @JsonPropertyDescription(
                "Adds a mirrored copy of each picture that is learned from, but of no face (concept.mode Face), which would be another. Default false.")
        Boolean flip,

        @JsonPropertyDescription(
                "How many pictures a data set to learn from is filled up to with altered copies: other colours, a smaller part, a little blur, half of them mirrored where flip is true; of objects and faces, some made smaller on a ground that is extended and not learned. Mirrored copies count as pictures; one picture at several resolutions counts once. 0: none. Default 0.")
        @Min(0) @Max(1000) Integer augmentTo,

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
        resolutions = resolutions == null ? List.of() : List.copyOf(resolutions);
        sizing = orDefault(sizing, Sizing.CenterCrop);
        buckets = orDefault(buckets, Defaults.of(BucketsSpec.class));
        crop = orDefault(crop, CropMode.Center);
        upscale = orDefault(upscale, Defaults.of(UpscaleSpec.class));
        flip = orDefault(flip, false);
        augmentTo = orDefault(augmentTo, 0);
        captions = orDefault(captions, Defaults.of(CaptionsSpec.class));
        mask = orDefault(mask, Defaults.of(MaskSpec.class));
    }
}
