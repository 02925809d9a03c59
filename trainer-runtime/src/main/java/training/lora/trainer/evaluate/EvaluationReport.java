package training.lora.trainer.evaluate;

import com.fasterxml.jackson.annotation.JsonProperty;
import io.soabase.recordbuilder.core.RecordBuilder;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.api.Checkpoint;
import training.lora.api.Metric;
import training.lora.api.PromptSpec;
import training.lora.api.SafetyAction;
import training.lora.api.SafetySpec;
import training.lora.api.ScoreWeightsSpec;
import training.lora.api.SelectionMetric;
import training.lora.trainer.trained.TrainSummary;

/**
 * evaluation.json.
 *
 * @param edenModel as Eden's evaluation.json names the base model's family; these keys are its own
 * @param edenCheckpoint folder of the chosen checkpoint, in the output
 * @param edenMode what is taught, as its configurations name it
 * @param edenOutput the folder that this file lies in
 * @param edenImages where the training pictures come from
 * @param scores of the chosen checkpoint, by Eden's names
 * @param version {@link #VERSION}
 * @param definitions what each metric is
 * @param clip the CLIP model that measured
 * @param sampler how the pictures were drawn
 * @param prompts the prompts and the seeds of their initial noise, one a picture
 * @param trainingImages how many training pictures the generated ones were compared with
 * @param concepts what was measured of each concept
 * @param fixedSetLoss loss over a fixed set of (picture, noise, timestep) before and after training; null where the watchdog was off
 * @param validationLoss the same over pictures that were held out; null where there are none
 * @param base what was measured of the base model
 * @param checkpoints what was measured of each checkpoint
 * @param intervals of the metrics of base model and checkpoints
 * @param select which metric chose
 * @param weights what weighs in the score; null where learned and kept alone do
 * @param safety which pictures are unsafe; null where nothing looked
 * @param bestStep the chosen checkpoint
 */
@RecordBuilder
record EvaluationReport(
        @JsonProperty("sd_model_version") String edenModel,
        @JsonProperty("checkpoint_folder") String edenCheckpoint,
        @JsonProperty("concept_mode") String edenMode,
        @JsonProperty("output_folder") String edenOutput,
        @JsonProperty("training_images_folder") String edenImages,
        EdenScores scores,
        String version,
        Map<String, String> definitions,
        String clip,
        Sampler sampler,
        List<PromptSpec> prompts,
        int trainingImages,
        List<ConceptReport> concepts,
        TrainSummary.@Nullable FixedSetLoss fixedSetLoss,
        TrainSummary.@Nullable FixedSetLoss validationLoss,
        Checkpoint base,
        List<Checkpoint> checkpoints,
        List<Intervals> intervals,
        SelectionMetric select,
        @Nullable ScoreWeightsSpec weights,
        @Nullable SafetyReport safety,
        int bestStep) {
    static final String VERSION = "lora.training/evaluation/v3";

    /** How likely a picture is unsafe; null where it is safe, or nothing looked. */
    @Nullable Double unsafe(int step, int prompt) {
        return safety == null
                ? null
                : safety.pictures().stream()
                        .filter(p -> p.step() == step && p.prompt() == prompt)
                        .map(UnsafePicture::probability)
                        .findFirst()
                        .orElse(null);
    }

    /**
     * What a person must know of the pictures and the score: sentences without their full stops.
     *
     * @param safety what looked at the pictures; null where nothing did
     */
    List<String> notes(@Nullable SafetySpec safety) {
        return Stream.of(SampleSafety.sentence(safety, this.safety), ScoreNote.of(select, weights, concepts))
                .filter(Objects::nonNull)
                .toList();
    }

    /** The chosen checkpoint. */
    Checkpoint best() {
        return checkpoints.stream()
                .filter(c -> c.step() == bestStep)
                .findFirst()
                .orElseThrow();
    }

    /** Eden's four numbers. */
    record EdenScores(
            @JsonProperty("clip_diversity") double diversity,
            @JsonProperty("aesthetic_score") @Nullable Double aesthetic,
            @JsonProperty("image_text_alignment") double text,
            @JsonProperty("training_image_alignment") double training) {
        static EdenScores of(ConceptMetrics metrics) {
            return new EdenScores(
                    metrics.clip().diversity(),
                    metrics.more().get(AestheticHead.NAME),
                    metrics.clip().textAlignment(),
                    metrics.clip().trainingImageAlignment());
        }
    }

    /**
     * Where the middle 95 % of the metrics lie when pictures are drawn again from those that there are.
     *
     * @param step of the checkpoint; 0 is the base model
     * @param metrics by name: low and high
     */
    record Intervals(int step, Map<String, double[]> metrics) {}

    /**
     * A picture and the training pictures that are nearest to it.
     *
     * @param step of the checkpoint that drew it; 0 is the base model
     * @param prompt its number, from 0
     * @param nearestByClip name of the nearest training picture by CLIP
     * @param cosine with it
     * @param nearestByPixels name of the nearest by pixels
     * @param distance from it: root of the mean squared difference of 32 x 32 pixels from 0 to 1
     * @param memorised whether it is a copy
     */
    @RecordBuilder
    record NearestPicture(
            int step,
            int prompt,
            String nearestByClip,
            double cosine,
            String nearestByPixels,
            double distance,
            boolean memorised) {}

    /**
     * What tells a copy of a concept's training pictures, and what is near to them.
     *
     * @param cosine the median of training pictures with the nearest other by CLIP
     * @param distance from a training picture that a copy has at most
     * @param pictures all pictures of the concept's prompts
     */
    record Copies(double cosine, double distance, List<NearestPicture> pictures) {}

    /**
     * Which pictures are unsafe.
     *
     * @param threshold the probability from which one is
     * @param action Refuse: they are black wherever they are shown
     * @param pictures those of base model and checkpoints
     */
    record SafetyReport(double threshold, SafetyAction action, List<UnsafePicture> pictures) {}

    /**
     * An unsafe picture.
     *
     * @param step of the checkpoint that drew it; 0 is the base model
     * @param prompt its number, from 0
     * @param probability that it is unsafe
     */
    record UnsafePicture(int step, int prompt, double probability) {}

    /**
     * A concept's own metrics.
     *
     * @param name of its first data set
     * @param trigger the words that call it; null if it has none
     * @param prompts numbers of the prompts that it is measured by, from 0
     * @param trainingImages how many pictures of it the generated ones were compared with
     * @param heldOutImages how many pictures of it are held out
     * @param base what was measured of the base model
     * @param checkpoints what was measured of each checkpoint
     * @param copies which pictures are near to training pictures
     */
    @RecordBuilder
    record ConceptReport(
            String name,
            @Nullable String trigger,
            int[] prompts,
            int trainingImages,
            int heldOutImages,
            List<Metric> base,
            List<Checkpoint> checkpoints,
            Copies copies) {}

    /** Euler's method: steps and guidance, and the side of the pictures. */
    record Sampler(String method, int steps, double guidance, int resolution) {}
}
