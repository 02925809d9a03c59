package training.lora.api;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.ValidationRule;
import org.jspecify.annotations.Nullable;

/** The sizes that there are with sizing Buckets: sides are multiples of 64, and no area is larger than resolution x resolution. */
@ValidationRule(
        value = "!has(self.minimumSide) || self.minimumSide % 64 == 0",
        message = "minimumSide must be a multiple of 64",
        fieldPath = ".minimumSide")
@ValidationRule(
        value = "!has(self.maximumSide) || self.maximumSide % 64 == 0",
        message = "maximumSide must be a multiple of 64",
        fieldPath = ".maximumSide")
public record BucketsSpec(
        @JsonPropertyDescription(
                "The shortest side in pixels, a multiple of 64 that is no larger than the resolution. A small picture may get a smaller one. Unset: half the resolution.")
        @Min(64) @Max(2048) @Nullable Integer minimumSide,

        @JsonPropertyDescription(
                "The longest side in pixels, a multiple of 64 that is no smaller than the resolution. Unset: twice the resolution.")
        @Min(64) @Max(4096) @Nullable Integer maximumSide) {}
