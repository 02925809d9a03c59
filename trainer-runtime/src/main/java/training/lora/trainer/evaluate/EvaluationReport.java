package training.lora.trainer.evaluate;

import io.soabase.recordbuilder.core.RecordBuilder;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import training.lora.api.Checkpoint;
import training.lora.api.Metric;
import training.lora.api.PromptSpec;
import training.lora.api.SelectionMetric;
import training.lora.trainer.train.TrainSummary;

/**
 * evaluation.json.
 *
 * @param version {@link #VERSION}
 * @param definitions what each metric is
 * @param clip the CLIP model that measured
 * @param sampler how the pictures were drawn
 * @param prompts the prompts and the seeds of their initial noise, one a picture
 * @param trainingImages how many training pictures the generated ones were compared with
 * @param concepts what was measured of each concept
 * @param fixedSetLoss loss over a fixed set of (picture, noise, timestep) before and after training
 * @param validationLoss the same over pictures that were held out; null where there are none
 * @param base what was measured of the base model
 * @param checkpoints what was measured of each checkpoint
 * @param select which metric chose
 * @param bestStep the chosen checkpoint
 */
@RecordBuilder
record EvaluationReport(
        String version,
        Map<String, String> definitions,
        String clip,
        Sampler sampler,
        List<PromptSpec> prompts,
        int trainingImages,
        List<ConceptReport> concepts,
        TrainSummary.FixedSetLoss fixedSetLoss,
        TrainSummary.@Nullable FixedSetLoss validationLoss,
        Checkpoint base,
        List<Checkpoint> checkpoints,
        SelectionMetric select,
        int bestStep) {
    static final String VERSION = "lora.training/evaluation/v2";

    /**
     * A concept's own metrics.
     *
     * @param name of its first data set
     * @param trigger the words that call it; null if it has none
     * @param prompts numbers of the prompts that it is measured by, from 0
     * @param trainingImages how many pictures of it the generated ones were compared with
     * @param base what was measured of the base model
     * @param checkpoints what was measured of each checkpoint
     */
    @RecordBuilder
    record ConceptReport(
            String name,
            @Nullable String trigger,
            int[] prompts,
            int trainingImages,
            List<Metric> base,
            List<Checkpoint> checkpoints) {}

    /** Euler's method: steps and guidance, and the side of the pictures. */
    record Sampler(String method, int steps, double guidance, int resolution) {}
}
