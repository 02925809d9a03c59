package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.Size;
import io.fabric8.generator.annotation.ValidationRule;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Pictures drawn while it trains, at step 0 and with every checkpoint. */
@ValidationRule(
        value = "!has(self.size) || self.size % 64 == 0",
        message = "size must be a multiple of 64",
        fieldPath = ".size")
public record SamplingSpec(
        @JsonPropertyDescription("Whether they are drawn. Default true.")
        Boolean enabled,

        @JsonPropertyDescription("What is drawn. Empty: the first 4 captions of the data.") @Size(max = 32) List<PromptSpec> prompts,

        @JsonPropertyDescription("Steps of the Euler sampler, for these pictures and for the evaluation's. Default 20.")
        @Min(1) @Max(1000) Integer steps,

        @JsonPropertyDescription(
                "Classifier-free guidance scale, for these pictures and for the evaluation's. Default 5.")
        @Min(0) @Max(100) Double guidance,

        @JsonPropertyDescription(
                "Side of these pictures and of the evaluation's in pixels, a multiple of 64. Unset: the training's resolution.")
        @Min(64) @Max(2048) @Nullable Integer size,

        @JsonPropertyDescription(
                "How strong the adapter is in these pictures and in the evaluation's, as the weight that other tools have for it; not of a DoRA. Default 1, as it was trained.")
        @Min(0) @Max(2) @Nullable Double strength) {
    public SamplingSpec {
        enabled = orDefault(enabled, true);
        prompts = prompts == null ? List.of() : List.copyOf(prompts);
        steps = orDefault(steps, 20);
        guidance = orDefault(guidance, 5.0);
    }

    /** How strong the adapter is. */
    public double adapterStrength() {
        return strength == null ? 1 : strength;
    }

    /**
     * The pictures' side.
     *
     * @param trained the training's resolution
     */
    public int side(int trained) {
        return size == null ? trained : size;
    }
}
