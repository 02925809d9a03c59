package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.Size;
import io.fabric8.generator.annotation.ValidationRule;
import io.soabase.recordbuilder.core.RecordBuilder;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** How much each part of a picture counts in the loss, which is divided by the mask's area. */
@RecordBuilder
@ValidationRule(
        value = "!has(self.model) || !(self.source in ['None', 'Alpha', 'Files'])",
        message = "model must be unset where source is None, Alpha or Files",
        fieldPath = ".model")
@ValidationRule(
        value = "!has(self.prompts) || size(self.prompts) == 0 || self.source == 'Segment'",
        message = "prompts must be unset where source is not Segment",
        fieldPath = ".prompts")
public record MaskSpec(
        @JsonPropertyDescription(
                "None: all of it; Alpha: as much as it is opaque; Files: as much as NAME-masklabel.png beside NAME.png is white and opaque, where a data set has masks for all of its pictures or for none; Segment: what CLIPSeg finds by prompts; Face: the ovals of faces. A picture in which Segment or Face finds nothing counts as a whole, and is told. Default None.")
        MaskSource source,

        @JsonPropertyDescription(
                "The model that makes masks. With Segment: CLIPSeg as ONNX, as transformers exports it (hf://Xenova/clipseg-rd64-refined); unset: the bundled one where the base model is bundled, else it must be given. With Face: a folder with MediaPipe's face_detection_full_range.onnx and face_landmark.onnx; unset: the bundled one.")
        @Nullable ModelSpec model,

        @JsonPropertyDescription(
                "With Segment: what is to be found, in words; a place counts by the likeliest. Empty: by each data set's concept: the className of an Object, and face for a Face; a Style's pictures count as a whole.")
        @Size(max = 16) List<String> prompts,

        @JsonPropertyDescription(
                "With Segment: Softmax compares a prompt with the empty text, as Eden's trainer does; Sigmoid takes the probability that the model gives the prompt, as it was trained, which is for models that know nothing of the empty text. Default Softmax.")
        MaskScoring scoring,

        @JsonPropertyDescription("With Segment: answers are divided by it; less makes edges sharper. Default 0.5.")
        @Min(value = 0, inclusive = false) @Max(10) Double temperature,

        @JsonPropertyDescription(
                "How much what is not selected counts, as a share of what is: it is added to the mask, which is then cut off at 1. Default 0.05.")
        @Min(0) @Max(1) Double bias,

        @JsonPropertyDescription(
                "Radius (sigma) of the blur of the mask's edges, as a share of the picture's width. Unset: 0.005 with Segment, 0.02 with Face.")
        @Min(0) @Max(0.5) @Nullable Double blur,

        @JsonPropertyDescription("With Face, of several faces in a picture: Largest or All. Default Largest.")
        FaceChoice faces) {
    public MaskSpec {
        source = orDefault(source, MaskSource.None);
        prompts = prompts == null
                ? List.of()
                : prompts.stream().map(PlainText::of).toList();
        scoring = orDefault(scoring, MaskScoring.Softmax);
        temperature = orDefault(temperature, 0.5);
        bias = orDefault(bias, 0.05);
        faces = orDefault(faces, FaceChoice.Largest);
    }

    /** The blur that is meant. */
    public double blurred() {
        return blur != null ? blur : source == MaskSource.Face ? 0.02 : 0.005;
    }
}
