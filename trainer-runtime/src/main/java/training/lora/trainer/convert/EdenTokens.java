package training.lora.trainer.convert;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import training.lora.api.OptimizerType;

/** Eden's textual inversion: new tokens in the trigger's place. */
final class EdenTokens {
    private static final String DICTIONARY = "token_dict";

    private final Options options;
    private final Draft draft;

    EdenTokens(Options options, Draft draft) {
        this.options = options;
        this.draft = draft;
    }

    /**
     * What calls that which each data set teaches: TOK, as there, or where this trainer wrote the file and there were several words,
     * one of these each.
     *
     * @param trained whether tokens are trained at all; else there are none
     */
    static List<String> words(Options options, boolean trained) {
        if (!trained) {
            options.ignore(DICTIONARY);
            return List.of();
        }
        int datasets = EdenData.urls(options).length;
        List<String> words = new ArrayList<>();
        if (options.raw(DICTIONARY) instanceof ObjectNode dictionary) {
            dictionary.fieldNames().forEachRemaining(words::add);
        }
        if (words.size() > 1 && words.size() == datasets) {
            return words;
        }
        if (words.size() > 1) {
            options.findings()
                    .ignores(
                            DICTIONARY,
                            "its %d words can't be told apart among data sets, of which there are %d, so that TOK calls all"
                                    .formatted(words.size(), datasets));
        } else {
            options.ignore(DICTIONARY);
        }
        return Collections.nCopies(datasets, EdenArguments.TOKEN);
    }

    void put() {
        String path = "training.tokens.";
        int count = options.whole("n_tokens", 3);
        if (count < 1) {
            throw options.wrong("n_tokens", "be at least 1");
        }
        draft.put("n_tokens", path + "count", count);
        boolean prodigy = options.choice("ti_optimizer", "adamw", List.of("adamw", "prodigy"))
                .equals("prodigy");
        draft.put("ti_optimizer", path + "optimizer", prodigy ? OptimizerType.Prodigy : OptimizerType.AdamW);
        if (prodigy) {
            draft.put("ti_optimizer", path + "stopFraction", 1);
        } else {
            draft.put("ti_lr", path + "learningRate", options.number("ti_lr", 1e-3));
            draft.put(
                    "freeze_ti_after_completion_f",
                    path + "stopFraction",
                    Math.min(1, options.number("freeze_ti_after_completion_f", 0.7)));
        }
        int warmUp = options.whole("ti_lr_warmup_steps", 0);
        if (warmUp > 0) {
            draft.put("ti_lr_warmup_steps", path + "warmupSteps", warmUp);
        }
        draft.put("ti_weight_decay", path + "weightDecay", options.number("ti_weight_decay", 0));
        double covariance = options.number("tok_cov_reg_w", 0);
        if (covariance != 0 && count > 1) {
            draft.put("tok_cov_reg_w", path + "covarianceWeight", covariance);
        } else if (covariance != 0) {
            options.findings().note("`tok_cov_reg_w` has no effect, since one token has no covariance");
        }
        int steps = options.whole("token_warmup_steps", 0);
        if (steps > 0) {
            description(steps);
        }
        double attention = options.number("token_attention_loss_w", 3e-7);
        if (attention > 0) {
            draft.put("token_attention_loss_w", path + "attentionWeight", attention);
        }
        weight("cond_reg_w", path + "promptNormWeight");
        weight("tok_cond_reg_w", path + "triggerNormWeight");
    }

    /** What tokens are to say before the training: what GPT said of the pictures in the run that wrote the file. */
    private void description(int steps) {
        String description = options.child("training_attributes").text("gpt_description");
        if (description == null) {
            options.findings()
                    .note(
                            "`token_warmup_steps` has no effect, since `training_attributes` has no gpt_description; datasets[].concept.description with training.tokens.descriptionSteps is the same here");
            return;
        }
        draft.put("token_warmup_steps", "training.tokens.descriptionSteps", steps);
        // It is of the first of several words.
        String first = draft.at("datasets.0.concept.trigger").asText();
        for (JsonNode dataset : draft.at("datasets")) {
            if (dataset.get("concept") instanceof ObjectNode concept
                    && concept.path("trigger").asText().equals(first)) {
                concept.put("description", description);
            }
        }
    }

    /** A loss that is there where its weight is above 0, as there. */
    private void weight(String key, String path) {
        double weight = options.number(key, 0);
        if (weight > 0) {
            draft.put(key, path, weight);
        }
    }
}
