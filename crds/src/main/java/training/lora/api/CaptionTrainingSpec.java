package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;

/** What is done with captions at each step. */
public record CaptionTrainingSpec(
        @JsonPropertyDescription("Share of samples that are trained on the empty caption. Default 0.05.")
        @Min(0) @Max(1) Double dropout) {
    public CaptionTrainingSpec {
        dropout = orDefault(dropout, 0.05);
    }
}
