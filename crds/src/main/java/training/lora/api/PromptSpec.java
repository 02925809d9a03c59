package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.Size;

/** A prompt and the seed of its initial noise. */
public record PromptSpec(
        @JsonPropertyDescription("The prompt.") @Required @Size(min = 1, max = 1000) String text,

        @JsonPropertyDescription("What to steer away from. Default empty.") @Size(max = 1000) String negative,

        @JsonPropertyDescription("Seed of the initial noise. Default 0.") @Min(0) Long seed) {
    public PromptSpec {
        text = text == null ? null : PlainText.of(text);
        negative = PlainText.of(orDefault(negative, ""));
        seed = orDefault(seed, 0L);
    }
}
