package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Size;

/** Where captions come from. */
public record CaptionsSpec(
        @JsonPropertyDescription(
                "Put before every caption but those of Regularization sets, for example a trigger word. Default empty.")
        @Size(max = 500) String prefix) {
    public CaptionsSpec {
        prefix = PlainText.unstripped(orDefault(prefix, ""));
    }
}
