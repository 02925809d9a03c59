package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.Size;
import java.util.List;

/** Which tags of a tagger make a caption. */
public record TagsSpec(
        @JsonPropertyDescription("The least probability of a tag. Default 0.35.") @Min(0) @Max(1) Double threshold,

        @JsonPropertyDescription("The same of characters' names, which come first. Default 0.85.") @Min(0) @Max(1) Double characterThreshold,

        @JsonPropertyDescription("Probability: the likeliest first; Name: by name. Default Probability.")
        TagOrder order,

        @JsonPropertyDescription("Tags that are left out, such as those of what the trigger shall mean. Default none.")
        @Size(max = 200) List<String> exclude) {
    public TagsSpec {
        threshold = orDefault(threshold, 0.35);
        characterThreshold = orDefault(characterThreshold, 0.85);
        order = orDefault(order, TagOrder.Probability);
        exclude = exclude == null ? List.of() : List.copyOf(exclude);
    }
}
