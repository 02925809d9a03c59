package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.Size;
import io.fabric8.generator.annotation.ValidationRule;

/** A text that what is trained is to be drawn after (prompt-aligned personalization, Arar et al. 2024). */
@ValidationRule(
        value = "!self.prompt.contains('<')",
        message = "prompt must have no <, but the trigger itself",
        fieldPath = ".prompt")
public record PromptAlignmentSpec(
        @JsonPropertyDescription(
                "What is to be drawn, with the trigger, such as a sketch of banny in Paris. The base model knows it with the className in the trigger's place.")
        @Required
        @Size(min = 1, max = 1000) String prompt,

        @JsonPropertyDescription("Weight of the gradient beside that of the pictures. Default 0.2.")
        @Min(value = 0, inclusive = false) @Max(1000) Double weight,

        @JsonPropertyDescription(
                "Guidance of the base model's prediction. The more it is above ownGuidance, the less is learned of the pictures. Default 10.")
        @Min(0) @Max(100) Double guidance,

        @JsonPropertyDescription(
                "Guidance of the trained prediction; a lower one than the base model's keeps colours and variety. Default 7.5.")
        @Min(0) @Max(100) Double ownGuidance) {
    public PromptAlignmentSpec {
        prompt = prompt == null ? "" : prompt;
        weight = orDefault(weight, 0.2);
        guidance = orDefault(guidance, 10.0);
        ownGuidance = orDefault(ownGuidance, 7.5);
    }
}
