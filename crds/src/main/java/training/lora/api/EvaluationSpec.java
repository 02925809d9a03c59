package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.Size;
import io.fabric8.generator.annotation.ValidationRule;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** How the base model and each checkpoint are measured and the best one is chosen. */
@ValidationRule(
        value = "!has(self.weights) || self.weights.aesthetic == 0.0 || has(self.aesthetic)",
        message = "weights.aesthetic must be 0 where aesthetic is unset",
        fieldPath = ".weights")
@ValidationRule(
        value = "!has(self.weights) || self.weights.faces == 0.0 || has(self.faces)",
        message = "weights.faces must be 0 where faces is unset",
        fieldPath = ".weights")
@ValidationRule(
        value = "!has(self.earlyStop) || self.enabled",
        message = "earlyStop must be unset where enabled is false",
        fieldPath = ".earlyStop")
public record EvaluationSpec(
        @JsonPropertyDescription("Whether checkpoints are measured. Default true.")
        Boolean enabled,

        @JsonPropertyDescription(
                "The CLIP model that measures. Unset: the bundled one where the base model is bundled, else it must be given.")
        @Nullable ClipSpec clip,

        @JsonPropertyDescription(
                "What is drawn to be measured. Where each concept has a trigger, prompts that name none show what was kept of everything else. Empty: as promptSource says.")
        @Size(max = 64) List<PromptSpec> prompts,

        @JsonPropertyDescription(
                "What is drawn where prompts is empty. BuiltIn: 8 prompts for what the mode of each concept teaches, in places and forms that the data needn't have (4 of each where there are several), and 4 that name no concept, where each has a trigger. Captions: the first 12 captions of the data. Unset: Captions where the base model is bundled, since it knows emoji alone, else BuiltIn.")
        @Nullable PromptSource promptSource,

        @JsonPropertyDescription("Pictures a prompt, with seeds counting up. Default 1.") @Min(1) @Max(64) Integer samplesPerPrompt,

        @JsonPropertyDescription(
                "Which metric picks the best checkpoint. Score is the harmonic mean of two shares from 0 to 1: learned, how much nearer than the base model's the pictures are to the training pictures, where 1 is as near as these are to each other; and kept, how closely pictures follow their prompts, where 0 is by chance and 1 as the base model's do. TextAlignment compares pictures with their prompts, TrainingImageAlignment and StyleAlignment with the training pictures, each with each or mean with mean; Diversity compares them with each other. Default Score.")
        SelectionMetric select,

        @JsonPropertyDescription(
                "How much each part weighs in the score. Unset: learned and kept weigh 1, all others nothing.")
        @Nullable ScoreWeightsSpec weights,

        @JsonPropertyDescription(
                "What measures how pleasing pictures are: a head on CLIP, or a network. Unset: that is not measured.")
        @Nullable AestheticSpec aesthetic,

        @JsonPropertyDescription(
                "A model that tells people apart, with which concepts of mode Face are measured: an ONNX file of the inputs and outputs of opencv_zoo's face_recognition_sface_2021dec.onnx. The metric faceSimilarity is the mean cosine of the largest face in each picture with those in the training pictures; a picture without a face has 0. Unset: that is not measured.")
        @Nullable ModelSpec faces,

        @JsonPropertyDescription(
                "Ends the training when the metric of select rises no more. Each checkpoint is measured while it trains then, by the pictures that the evaluation shows afterwards. Unset: all steps are trained.")
        @Nullable EarlyStopSpec earlyStop) {
    public EvaluationSpec {
        enabled = orDefault(enabled, true);
        prompts = prompts == null ? List.of() : List.copyOf(prompts);
        samplesPerPrompt = orDefault(samplesPerPrompt, 1);
        select = orDefault(select, SelectionMetric.Score);
    }
}
