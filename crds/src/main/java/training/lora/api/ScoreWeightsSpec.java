package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.ValidationRule;

/** How much each share, from 0 to 1, weighs in the score, which is their weighted harmonic mean. */
@ValidationRule(
        value =
                "self.learned + self.kept + self.aesthetic + self.diversity + self.original + self.general + self.faces > 0.0",
        message = "weights must have one above 0")
public record ScoreWeightsSpec(
        @JsonPropertyDescription("How near the pictures are to the training pictures. Default 1.") @Min(0) @Max(100) Double learned,

        @JsonPropertyDescription("How closely pictures follow their prompts. Default 1.") @Min(0) @Max(100) Double kept,

        @JsonPropertyDescription(
                "The aesthetic score, as a share of the base model's or the training pictures', the lower of both. Needs aesthetic. Default 0.")
        @Min(0) @Max(100) Double aesthetic,

        @JsonPropertyDescription(
                "How much the pictures differ from each other, as a share of the base model's or the training pictures', the lower of both. Default 0.")
        @Min(0) @Max(100) Double diversity,

        @JsonPropertyDescription("The share of the pictures that copy no training picture. Default 0.")
        @Min(0) @Max(100) Double original,

        @JsonPropertyDescription(
                "How near the pictures are to held-out pictures beside training pictures: 1 as the base model's are, 0 as the training pictures themselves. Needs a data set of role Validation. Default 0.")
        @Min(0) @Max(100) Double general,

        @JsonPropertyDescription(
                "faceSimilarity, as a share: 0 as the base model's, 1 as that of the training faces with each other. Needs faces and a concept of mode Face. Default 0.")
        @Min(0) @Max(100) Double faces) {
    public ScoreWeightsSpec {
        learned = orDefault(learned, 1.0);
        kept = orDefault(kept, 1.0);
        aesthetic = orDefault(aesthetic, 0.0);
        diversity = orDefault(diversity, 0.0);
        original = orDefault(original, 0.0);
        general = orDefault(general, 0.0);
        faces = orDefault(faces, 0.0);
    }

    /** Whether anything weighs. */
    boolean some() {
        return learned + kept + aesthetic + diversity + original + general + faces > 0;
    }

    /** What weighs where nothing is said. */
    public static ScoreWeightsSpec defaults() {
        return Defaults.of(ScoreWeightsSpec.class);
    }
}
