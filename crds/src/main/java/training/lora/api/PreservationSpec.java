package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.Size;
import io.fabric8.generator.annotation.ValidationRule;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What keeps the base model's predictions as they are where nothing new is taught, without regularization pictures. */
@ValidationRule(
        value = "!has(self.promptWeight) || has(self.prompts)",
        message = "promptWeight must be unset where prompts is",
        fieldPath = ".promptWeight")
@ValidationRule(
        value = "!has(self.prompts) || self.prompts.all(p, p.matches('^([^<]|<caption>)*$'))",
        message = "prompts must have no < but that of <caption>",
        fieldPath = ".prompts")
public record PreservationSpec(
        @JsonPropertyDescription(
                "Weight of the squared distance between the predictions with and without the adapter for the empty text, at the same noisy picture; 1 is usual. A step takes about twice as long. Default 0.")
        @Min(0) @Max(1000) Double emptyPrompt,

        @JsonPropertyDescription(
                "Weight of the same for the picture's own caption outside of its mask, each place by how far the mask leaves it out; 0.5 is usual. It needs masks. Default 0.")
        @Min(0) @Max(1000) Double outsideMask,

        @JsonPropertyDescription(
                "Texts whose predictions are kept at the same noisy picture, such as a photo of a cat; each sample of a step has one of them by chance. <caption> in one is the picture's caption with the concept's className in the place of its trigger; they have no triggers, whose predictions are what is taught. A step takes about twice as long. Unset: none.")
        @Size(min = 1, max = 64) @Nullable List<@Size(min = 1, max = 1000) String> prompts,

        @JsonPropertyDescription(
                "Weight of the squared distance between their predictions with and without the adapter. Unset: 1.")
        @Min(value = 0, inclusive = false) @Max(1000) @Nullable Double promptWeight) {
    /** What stands for the picture's caption in {@code prompts}. */
    public static final String CAPTION = "<caption>";

    public PreservationSpec {
        emptyPrompt = orDefault(emptyPrompt, 0.0);
        outsideMask = orDefault(outsideMask, 0.0);
        prompts = prompts == null ? null : List.copyOf(prompts);
    }

    /** The weight of the prompts' predictions: 0 where there are none. */
    public double weightOfPrompts() {
        return prompts == null ? 0 : promptWeight == null ? 1 : promptWeight;
    }
}
