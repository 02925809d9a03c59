package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import training.lora.api.PreservationSpec;

/** What ai-toolkit keeps of the un-adapted model's predictions. */
final class AiToolkitPreservation {
    private static final String PATH = "training.loss.preservation.";

    private final Options train;
    private final Draft draft;

    AiToolkitPreservation(Options train, Draft draft) {
        this.train = train;
        this.draft = draft;
    }

    void put() {
        if (train.flag("blank_prompt_preservation", false)) {
            draft.put(
                    "train.blank_prompt_preservation",
                    PATH + "emptyPrompt",
                    train.number("blank_prompt_preservation_multiplier", 1));
        }
        // Without masks nothing is outside of them there.
        if (train.flag("inverted_mask_prior", false)
                && draft.at("preparation.mask.source").isTextual()) {
            draft.put(
                    "train.inverted_mask_prior",
                    PATH + "outsideMask",
                    train.number("inverted_mask_prior_multiplier", 0.5));
        }
        if (train.flag("diff_output_preservation", false)) {
            captions();
        }
    }

    /** Captions with the class in the trigger's place. */
    private void captions() {
        String className = train.text("diff_output_preservation_class");
        if (className == null) {
            throw train.wrong("diff_output_preservation_class", "be given with diff_output_preservation");
        }
        for (JsonNode dataset : draft.at("datasets")) {
            if (dataset.get("concept") instanceof ObjectNode concept) {
                concept.put("className", className);
            } else if (!dataset.path("role").asText().equals("Regularization")) {
                throw train.wrong("diff_output_preservation", "be false where a data set has no trigger_word");
            }
        }
        draft.put("train.diff_output_preservation", PATH + "prompts", List.of(PreservationSpec.CAPTION));
        double weight = train.number("diff_output_preservation_multiplier", 1);
        if (weight != 1) {
            draft.put("train.diff_output_preservation_multiplier", PATH + "promptWeight", weight);
        }
    }
}
