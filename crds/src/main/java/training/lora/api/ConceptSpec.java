package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Pattern;
import io.fabric8.generator.annotation.Size;
import io.fabric8.generator.annotation.ValidationRule;
import org.jspecify.annotations.Nullable;

/** What the pictures of a data set teach, and the words that call it. */
@ValidationRule(
        value = "!has(self.className) || has(self.trigger) || self.mode != 'Style'",
        message = "className must be unset where there is no trigger",
        fieldPath = ".className")
public record ConceptSpec(
        @JsonPropertyDescription(
                "Style: \"in the style of TRIGGER, \" is put before a caption that has no trigger; Object, for things and beings, and Face, for one person or character: \"TRIGGER, \". Default Style.")
        ConceptMode mode,

        @JsonPropertyDescription(
                "The words that call it, without commas. In captions and prompts, <concept> stands for them, and <NAME> for those of the data set NAME; they are put before a caption that has neither <concept> nor the words themselves. Data sets of one trigger teach one concept; each concept is measured by the prompts that name it. Unset: TOK where mode is Object or Face; where it is Style, nothing is put before captions, the data set is a concept of its own, and prompts that name no other measure it.")
        @Pattern("^[^\\s,<>]([^,<>]*[^\\s,<>])?$") @Size(min = 1, max = 100) @Nullable String trigger,

        @JsonPropertyDescription(
                "Words for what it is that the CLIP model of the evaluation knows, such as cat, or line drawing. They take the trigger's place where pictures are compared with their prompts, because CLIP doesn't know the trigger, and in <caption> of training.loss.preservation.prompts; new tokens (training.tokens) begin as them where initializer and basis are unset. Drawing doesn't use them. Masks of source Segment without prompts of their own select what they say, where mode is Object. Unset: the trigger is left out there, together with \"in the style of\".")
        @Pattern("^[^\\s,<>]([^,<>]*[^\\s,<>])?$") @Size(min = 1, max = 100) @Nullable String className,

        @JsonPropertyDescription(
                "What it looks like, such as a small red robot with round eyes: what its new tokens are to say where training.tokens.descriptionSteps is set, and of no other effect. Of data sets of one trigger the first that has one counts. Unset: none.")
        @Pattern("\\S") @Size(min = 1, max = 300) @Nullable String description) {
    public ConceptSpec {
        mode = orDefault(mode, ConceptMode.Style);
        String called = mode == ConceptMode.Style ? null : ConceptMode.TRIGGER;
        trigger = trigger == null ? called : PlainText.of(trigger);
        className = className == null ? null : PlainText.of(className);
    }

    /** The className as it stands in the place of a trigger: without an article, for the text around has its own. Null for none. */
    public @Nullable String classNoun() {
        return className == null ? null : className.replaceFirst("(?i)^(?:an?|the) ", "");
    }
}
