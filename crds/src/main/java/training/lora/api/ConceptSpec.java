package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Pattern;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.Size;

/** What the pictures of a data set teach, and the words that call it. */
public record ConceptSpec(
        @JsonPropertyDescription(
                "Style: \"in the style of TRIGGER, \" is put before a caption that has no trigger; Object, for things and beings: \"TRIGGER, \". Default Style.")
        ConceptMode mode,

        @JsonPropertyDescription(
                "The words that call it, without commas. In captions and prompts, <concept> stands for them, and <NAME> for those of the data set NAME; they are put before a caption that has neither <concept> nor the words themselves. Data sets of one trigger teach one concept; each concept is measured by the prompts that name it.")
        @Required
        @Pattern("^[^\\s,<>]([^,<>]*[^\\s,<>])?$") @Size(min = 1, max = 100) String trigger) {
    public ConceptSpec {
        mode = orDefault(mode, ConceptMode.Style);
        trigger = trigger == null ? null : PlainText.of(trigger);
    }
}
