package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.Size;
import io.fabric8.generator.annotation.ValidationRule;
import io.soabase.recordbuilder.core.RecordBuilder;
import org.jspecify.annotations.Nullable;

/** Where captions come from. */
@RecordBuilder
@ValidationRule(
        value = "has(self.model) == (self.source in ['Blip', 'Florence2', 'Tagger'])",
        message = "model must be given where source is Blip, Florence2 or Tagger, and else be unset",
        fieldPath = ".model")
@ValidationRule(
        value = "has(self.api) == (self.source == 'OpenAI')",
        message = "api must be given where source is OpenAI, and else be unset",
        fieldPath = ".api")
@ValidationRule(
        value = "self.cleanUp != 'Model' || has(self.language)",
        message = "language must be given where cleanUp is Model",
        fieldPath = ".language")
@ValidationRule(
        value = "self.beams == 1 || self.temperature == 0.0",
        message = "beams must be 1 where temperature is above 0",
        fieldPath = ".beams")
public record CaptionsSpec(
        @JsonPropertyDescription(
                "Put before every caption but those of Regularization sets, for example a trigger word. Where it or suffix says the concept's trigger, none is put before the caption. Default empty.")
        @Size(max = 1000) String prefix,

        @JsonPropertyDescription(
                "Put behind every caption but those of Regularization sets, for example the words of a look. Default empty.")
        @Size(max = 500) @Nullable String suffix,

        @JsonPropertyDescription(
                "Auto: the captions beside the pictures; for pictures without, those of the platform's captioner where it has one, else the words that call the concept, with a warning. Sidecar: each picture must have a caption beside it. Blip: for pictures without a caption, by a BLIP model, of the picture as it is cropped. Florence2: the same by Florence-2. Tagger: the same by a tagger, as tags with commas between them. OpenAI: the same by a model behind an API. None: the words that call the concept alone, whatever lies beside the pictures. Beside a picture means NAME.txt or NAME.caption, or an entry in metadata.json, metadata.jsonl or metadata.csv (file_name and text, as on the Hugging Face Hub, or as kohya's scripts write them). Default Auto.")
        CaptionSource source,

        @JsonPropertyDescription(
                "Whether the run waits after preparation until a person has looked at the captions: they are in captions.jsonl of the output, or in review/captions.jsonl where a result stands there, and what it says when the run goes on is trained on. It goes on when the training has the annotation lora.training/captions-reviewed, or by --reviewed on the command line. The wait counts for no deadline. Default false.")
        Boolean pauseForReview,

        @JsonPropertyDescription(
                "Whether each line of a caption's file is a caption of its own, and {a|b} in one stands for a or b: what a picture is trained on is drawn from these each time, from the seed. {{ and }} are braces. Default false: all lines are one caption, and braces are text.")
        Boolean wildcards,

        @JsonPropertyDescription(
                "The model that makes captions: for Blip a transformers folder with config.json, model.safetensors and tokenizer.json or vocab.txt, for Florence2 a folder with its published ONNX export (vision_encoder.onnx, embed_tokens.onnx, encoder_model.onnx, decoder_model_merged.onnx, there or in onnx, and tokenizer.json), for Tagger an ONNX model with selected_tags.csv. Unset: none.")
        @Nullable ModelSpec model,

        @JsonPropertyDescription("What is asked where source is OpenAI. Unset: nothing.") @Nullable CaptionApiSpec api,

        @JsonPropertyDescription("Which tags make a caption where source is Tagger.")
        TagsSpec tags,

        @JsonPropertyDescription(
                "How much a caption says where source is Florence2, by its three tasks. Caption: a sentence. Detailed: some. MoreDetailed: a paragraph, for which maxTokens may need to be more. Default Detailed.")
        CaptionDetail detail,

        @JsonPropertyDescription(
                "How a captioner's captions begin, such as a photo of; it goes on from there. Default empty: as it likes.")
        @Size(max = 500) String beginning,

        @JsonPropertyDescription(
                "Whether captions are rewritten so that an Object or a Face is called by its trigger, and not described, and words for a Style are left out; those of data sets without a concept and of role Regularization are not. None: no. Rules: the noun, which is concept.className or, unset, what most captions begin with, gives its place to the trigger, in whole words alone; in captions of a Style its className is left out. Model: by the model of language; a caption of which it makes none that fits is rewritten by the rules, and told. Default None.")
        CleanUp cleanUp,

        @JsonPropertyDescription(
                "A language model: it rewrites captions where cleanUp is Model, describes each concept in the report, proposes a trigger there where it is unset or TOK, and says what masks of source Segment are to find where neither mask.prompts nor the concept does. Unset: none, and nothing is asked.")
        @Nullable LanguageSpec language,

        @JsonPropertyDescription(
                "Texts that a captioner follows at once to find the likeliest (beam search). Default 1: the likeliest word each time.")
        @Min(1) @Max(16) Integer beams,

        @JsonPropertyDescription(
                "Above 0, words are drawn by chance, from training.seed and the picture's name: the higher, the freer. Only with 1 beam. Default 0.")
        @Min(0) @Max(2) Double temperature,

        @JsonPropertyDescription("How many of the likeliest words chance chooses from. Default 40.") @Min(1) @Max(1000) Integer topK,

        @JsonPropertyDescription("Tokens of a captioner's caption at most. Default 50.") @Min(1) @Max(500) Integer maxTokens) {
    public CaptionsSpec {
        prefix = PlainText.unstripped(orDefault(prefix, ""));
        suffix = suffix == null || suffix.isEmpty() ? null : PlainText.unstripped(suffix);
        source = orDefault(source, CaptionSource.Auto);
        pauseForReview = orDefault(pauseForReview, false);
        wildcards = orDefault(wildcards, false);
        tags = orDefault(tags, Defaults.of(TagsSpec.class));
        detail = orDefault(detail, CaptionDetail.Detailed);
        beginning = PlainText.of(orDefault(beginning, ""));
        cleanUp = orDefault(cleanUp, CleanUp.None);
        beams = orDefault(beams, 1);
        temperature = orDefault(temperature, 0.0);
        topK = orDefault(topK, 40);
        maxTokens = orDefault(maxTokens, 50);
    }
}
