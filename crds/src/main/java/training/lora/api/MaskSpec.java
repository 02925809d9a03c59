package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;

/** How much each part of a picture counts in the loss, which is divided by the mask's area. */
public record MaskSpec(
        @JsonPropertyDescription(
                "None: all of it; Alpha: as much as it is opaque; Files: as much as NAME-masklabel.png beside NAME.png is white and opaque, where a data set has masks for all of its pictures or for none. Default None.")
        MaskSource source) {
    public MaskSpec {
        source = orDefault(source, MaskSource.None);
    }
}
