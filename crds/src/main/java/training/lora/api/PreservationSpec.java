package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;

/** What keeps the base model's predictions as they are where nothing new is taught, without regularization pictures. */
public record PreservationSpec(
        @JsonPropertyDescription(
                "Weight of the squared distance between the predictions with and without the adapter for the empty text, at the same noisy picture; 1 is usual. A step takes about twice as long. Default 0.")
        @Min(0) @Max(1000) Double emptyPrompt,

        @JsonPropertyDescription(
                "Weight of the same for the picture's own caption outside of its mask, each place by how far the mask leaves it out; 0.5 is usual. It needs masks. Default 0.")
        @Min(0) @Max(1000) Double outsideMask) {
    public PreservationSpec {
        emptyPrompt = orDefault(emptyPrompt, 0.0);
        outsideMask = orDefault(outsideMask, 0.0);
    }

    /** Whether anything is kept. */
    public boolean any() {
        return emptyPrompt > 0 || outsideMask > 0;
    }
}
