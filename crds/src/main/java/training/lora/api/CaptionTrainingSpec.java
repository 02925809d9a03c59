package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.ValidationRule;
import org.jspecify.annotations.Nullable;

/** What is done with captions at each step. */
@ValidationRule(
        value = "self.maxTokens in [75, 150, 225]",
        message = "maxTokens must be 75, 150 or 225",
        fieldPath = ".maxTokens")
public record CaptionTrainingSpec(
        @JsonPropertyDescription(
                "Share of samples that are trained on the empty caption, or what dropoutLeaves says. Default 0.05.")
        @Min(0) @Max(1) Double dropout,

        @JsonPropertyDescription(
                "What dropout leaves of a caption: Nothing, so that drawing without a text is learned, which guidance wants; or Trigger, the words that call the concept, as in Eden's trainer, and nothing where a data set has none. Unset: Nothing.")
        @Nullable DropoutRest dropoutLeaves,

        @JsonPropertyDescription(
                "Whether the tags of a caption, which commas part, are put in another order each time. Default false.")
        Boolean shuffle,

        @JsonPropertyDescription(
                "How many tags at the beginning of a caption stay where they are and are never dropped, such as a trigger word. Default 1.")
        @Min(0) @Max(100) Integer keepTokens,

        @JsonPropertyDescription("Share of the other tags that are left out, drawn anew each time. Default 0.")
        @Min(0) @Max(1) Double tagDropout,

        @JsonPropertyDescription(
                "Tokens of a caption or prompt that are read: 75, 150 or 225, in chunks of 75; what is longer loses its end. Default 75.")
        Integer maxTokens,

        @JsonPropertyDescription(
                "Layers of the text encoders, from the last, that are skipped beyond what the family skips itself. Default 0.")
        @Min(0) @Max(10) Integer clipSkip) {
    public CaptionTrainingSpec {
        dropout = orDefault(dropout, 0.05);
        shuffle = orDefault(shuffle, false);
        keepTokens = orDefault(keepTokens, 1);
        tagDropout = orDefault(tagDropout, 0.0);
        maxTokens = orDefault(maxTokens, 75);
        clipSkip = orDefault(clipSkip, 0);
    }
}
