package training.lora.trainer.train;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import training.lora.api.AdapterSpec;
import training.lora.api.Json;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.OptimizerSpec;
import training.lora.api.PromptSpec;
import training.lora.api.TrainingMethod;
import training.lora.api.TrainingSpec;
import training.lora.trainer.WholeWords;

/** Warnings of a run that trains new tokens: of fields that have no effect on them, and of triggers that no sample shows. */
final class WithoutEffect {
    /** The field of {@code optimizer} that counts for tokens too: it clips their gradient. */
    private static final Set<String> OF_TOKENS = Set.of("maxGradientNorm");

    private WithoutEffect() {}

    /**
     * Sentences, none where there is nothing to warn of.
     *
     * @param prompts that samples are drawn of, where there are samples: those of the spec, or captions
     */
    static List<String> of(LoraTrainingSpec spec, List<PromptSpec> prompts) {
        List<String> sentences = new ArrayList<>();
        if (spec.training().method() == TrainingMethod.TextualInversion) {
            List<String> fields = fields(spec.training());
            if (!fields.isEmpty()) {
                sentences.add(
                        "with TextualInversion `spec.training.tokens` has the rate and the optimizer, and %s %s no effect"
                                .formatted(String.join(", ", fields), fields.size() == 1 ? "has" : "have"));
            }
        }
        if (spec.training().tokens().any() && spec.sampling().enabled() && !prompts.isEmpty()) {
            spec.trainedTriggers()
                    .filter(trigger -> prompts.stream().noneMatch(prompt -> WholeWords.in(prompt.text(), trigger)))
                    .forEach(trigger -> sentences.add(unseen(spec, trigger, prompts.size())));
        }
        return sentences;
    }

    private static String unseen(LoraTrainingSpec spec, String trigger, int prompts) {
        return spec.sampling().prompts().isEmpty()
                ? "the first %d captions, which samples are drawn of, don't say %s, so that no sample shows what its tokens learn: set `spec.sampling.prompts`"
                        .formatted(prompts, trigger)
                : "no prompt of `spec.sampling.prompts` says %s, so that no sample shows what its tokens learn"
                        .formatted(trigger);
    }

    /** Those of {@code optimizer} and {@code adapter} that are other than if they were unset, with their values. */
    private static List<String> fields(TrainingSpec training) {
        OptimizerSpec optimizer = training.optimizer();
        AdapterSpec adapter = training.adapter();
        List<String> fields = new ArrayList<>();
        // Of both the type has defaults of its own.
        if (optimizer.type() != unset(OptimizerSpec.class).type()) {
            fields.add("optimizer.type " + optimizer.type());
        }
        different("optimizer.", tree(optimizer), tree(typed(OptimizerSpec.class, optimizer.type())), fields);
        if (adapter.type() != unset(AdapterSpec.class).type()) {
            fields.add("adapter.type " + adapter.type());
        }
        different("adapter.", tree(adapter), tree(typed(AdapterSpec.class, adapter.type())), fields);
        return fields;
    }

    private static void different(String path, JsonNode given, JsonNode unset, List<String> fields) {
        given.fields().forEachRemaining(field -> {
            JsonNode value = field.getValue();
            JsonNode usual = unset.path(field.getKey());
            if (OF_TOKENS.contains(field.getKey()) || value.equals(usual)) {
                return;
            }
            if (value.isObject() && usual.isObject()) {
                different(path + field.getKey() + ".", value, usual, fields);
            } else {
                fields.add(path + field.getKey() + " " + (value.isTextual() ? value.asText() : value));
            }
        });
    }

    private static <T> T unset(Class<T> spec) {
        return Json.MAPPER.convertValue(Map.of(), spec);
    }

    private static <T> T typed(Class<T> spec, Enum<?> type) {
        return Json.MAPPER.convertValue(Map.of("type", type), spec);
    }

    private static JsonNode tree(Object spec) {
        return Json.MAPPER.valueToTree(spec);
    }
}
