package training.lora.trainer.train;

import java.util.ArrayList;
import java.util.List;
import training.lora.api.AdapterType;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.OptimizerSpec;
import training.lora.api.OptimizerType;
import training.lora.api.PromptSpec;
import training.lora.api.ScheduleSpec;
import training.lora.api.ScheduleType;
import training.lora.api.TrainingMethod;
import training.lora.trainer.WholeWords;

/** What a run of new tokens was given for nothing, as sentences of warnings. */
final class WithoutEffect {
    private WithoutEffect() {}

    /** @param prompts that are drawn while it trains */
    static List<String> of(LoraTrainingSpec spec, List<PromptSpec> prompts) {
        List<String> sentences = new ArrayList<>();
        if (spec.training().method() == TrainingMethod.TextualInversion) {
            List<String> fields = fields(spec);
            if (!fields.isEmpty()) {
                sentences.add(
                        "with TextualInversion `spec.training.tokens` has the rate and the optimizer, and %s %s no effect"
                                .formatted(String.join(", ", fields), fields.size() == 1 ? "has" : "have"));
            }
        }
        if (spec.training().tokens().any() && !prompts.isEmpty()) {
            spec.trainedTriggers()
                    .filter(trigger -> prompts.stream().noneMatch(prompt -> WholeWords.of(trigger)
                            .matcher(prompt.text())
                            .find()))
                    .forEach(trigger -> sentences.add(
                            "no prompt of `spec.sampling.prompts` says %s, so that no sample shows what its tokens learn"
                                    .formatted(trigger)));
        }
        return sentences;
    }

    private static List<String> fields(LoraTrainingSpec spec) {
        List<String> fields = new ArrayList<>();
        OptimizerSpec optimizer = spec.training().optimizer();
        if (optimizer.type() != OptimizerType.AdamW) {
            fields.add("optimizer.type " + optimizer.type());
        }
        if (optimizer.learningRate() != null) {
            fields.add("optimizer.learningRate " + optimizer.learningRate());
        }
        ScheduleSpec schedule = optimizer.schedule();
        if (schedule.warmupSteps() > 0) {
            fields.add("optimizer.schedule.warmupSteps " + schedule.warmupSteps());
        }
        // A schedule-free type has its own.
        if (schedule.course() != ScheduleType.Cosine && !optimizer.type().scheduleFree()) {
            fields.add("optimizer.schedule.type " + schedule.course());
        }
        AdapterType type = spec.training().adapter().type();
        if (type != AdapterType.LoRA) {
            fields.add("adapter.type " + type);
        }
        return fields;
    }
}
