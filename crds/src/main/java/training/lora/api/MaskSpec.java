package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.ValidationRule;
import org.jspecify.annotations.Nullable;

/** How much each part of a picture counts in the loss, which is divided by the mask's area. */
@ValidationRule(
        value = "!has(self.model) || !(self.source in ['None', 'Alpha', 'Files'])",
        message = "model must be unset where source is None, Alpha or Files",
        fieldPath = ".model")
public record MaskSpec(
        @JsonPropertyDescription(
                "None: all of it; Alpha: as much as it is opaque; Files: as much as NAME-masklabel.png beside NAME.png is white and opaque, where a data set has masks for all of its pictures or for none. Default None.")
        MaskSource source,

        @JsonPropertyDescription("The model that makes masks, for sources that need one. Unset: none.") @Nullable ModelSpec model) {
    public MaskSpec {
        source = orDefault(source, MaskSource.None);
    }
}
