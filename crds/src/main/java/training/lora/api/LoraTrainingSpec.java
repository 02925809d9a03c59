package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.Size;
import io.fabric8.generator.annotation.ValidationRule;
import io.soabase.recordbuilder.core.RecordBuilder;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** What a LoRA is trained from, how, and what comes out. Everything but the base model and the data has a default. */
@ValidationRule(
        value = "self.datasets.exists(d, d.role == 'Train')",
        message = "datasets must have one of role Train",
        fieldPath = ".datasets")
@ValidationRule(
        value =
                "!has(self.evaluation.weights) || self.evaluation.weights.general == 0.0 || self.datasets.exists(d, d.role == 'Validation')",
        message = "evaluation.weights.general must be 0 where no data set has the role Validation",
        fieldPath = ".evaluation")
@ValidationRule(
        value =
                "!has(self.evaluation.weights) || self.evaluation.weights.faces == 0.0 || self.datasets.exists(d, has(d.concept) && d.concept.mode == 'Face')",
        message = "evaluation.weights.faces must be 0 where no concept has the mode Face",
        fieldPath = ".evaluation")
@ValidationRule(
        value = "!has(self.training.memoryBudget) || !has(self.evaluation.earlyStop)",
        message = "training.memoryBudget must be unset with evaluation.earlyStop, whose models are not estimated",
        fieldPath = ".training")
@ValidationRule(
        value = "self.preparation.captions.cleanUp == 'None' || self.datasets.exists(d, has(d.concept))",
        message = "preparation.captions.cleanUp must be None where no data set has a concept",
        fieldPath = ".preparation")
@ValidationRule(
        value = "self.training.adapter.type in ['LoRA', 'DoRA'] || !self.output.formats.exists(f, f == 'Diffusers')",
        message =
                "output.formats must be [Kohya] where training.adapter.type is LoHa or LoKr, which diffusers' loader doesn't read",
        fieldPath = ".output")
@ValidationRule(
        value =
                "!self.output.formats.exists(f, f == 'A1111Baked') || self.training.method == 'Adapter' && self.training.adapter.type == 'DoRA'",
        message =
                "output.formats must be without A1111Baked unless a DoRA is trained, for AUTOMATIC1111 reads the others in the form of Kohya",
        fieldPath = ".output")
@ValidationRule(
        value = "!self.output.formats.exists(f, f == 'A1111Baked') || self.output.formats.exists(f, f != 'A1111Baked')",
        message = "output.formats must have Kohya or Diffusers beside A1111Baked, which no training goes on from",
        fieldPath = ".output")
@ValidationRule(
        value =
                "self.training.tokens.count == 0 || self.datasets.all(d, d.role != 'Train' || has(d.concept) && (has(d.concept.trigger) || d.concept.mode != 'Style'))",
        message = "datasets of role Train must have a trigger, in whose place training.tokens are trained",
        fieldPath = ".datasets")
@ValidationRule(
        value =
                "self.training.tokens.count == 0 || self.datasets.all(d, !has(d.concept) || !has(d.concept.trigger) || !d.concept.trigger.matches('[\\\\s./\\\\\\\\:*?\"|]'))",
        message =
                "triggers must have no spaces and none of . / \\ : * ? \" | where training.tokens are trained, for they name their files",
        fieldPath = ".datasets")
@ValidationRule(
        value = "self.training.tokens.count == 0 || self.output.formats.exists(f, f == 'Kohya')",
        message = "output.formats must have Kohya where training.tokens are trained, for that file holds them",
        fieldPath = ".output")
@ValidationRule(
        value = "self.training.loss.preservation.outsideMask == 0.0 || self.preparation.mask.source != 'None'",
        message = "training.loss.preservation.outsideMask must be 0 where preparation.mask.source is None",
        fieldPath = ".training")
@ValidationRule(
        value =
                "!has(self.sampling.strength) || self.training.adapter.type != 'DoRA' && self.training.method == 'Adapter'",
        message =
                "sampling.strength must be unset with DoRA, whose change of a weight is in no proportion to it, and where no adapter is trained",
        fieldPath = ".sampling")
@ValidationRule(
        value =
                "!has(self.training.loss.preservation.prompts) || !self.training.loss.preservation.prompts.exists(p, p.contains('<caption>')) || self.datasets.all(d, d.role != 'Train' || has(d.concept) && has(d.concept.className))",
        message =
                "datasets of role Train must have a concept with a className where training.loss.preservation.prompts has <caption>",
        fieldPath = ".datasets")
@ValidationRule(
        value =
                "!has(self.training.tokens.descriptionSteps) || self.datasets.exists(d, d.role == 'Train' && has(d.concept) && has(d.concept.description))",
        message =
                "training.tokens.descriptionSteps must be unset where no data set of role Train has a concept.description",
        fieldPath = ".training")
@ValidationRule(
        value = "self.training.method != 'FullFineTuning' || !has(self.evaluation.earlyStop)",
        message =
                "evaluation.earlyStop must be unset with FullFineTuning, whose checkpoints are measured after the training",
        fieldPath = ".evaluation")
@ValidationRule(
        value =
                "self.training.method != 'FullFineTuning' || !has(self.baseModel) || !has(self.baseModel.adapters) || size(self.baseModel.adapters) == 0",
        message =
                "baseModel.adapters must be unset with FullFineTuning, which writes the base model's other parts as its files have them",
        fieldPath = ".baseModel")
@ValidationRule(
        value = "self.training.method != 'FullFineTuning' || !has(self.baseModel) || !has(self.baseModel.vae)",
        message =
                "baseModel.vae must be unset with FullFineTuning, which writes the base model's other parts as its files have them",
        fieldPath = ".baseModel")
@ValidationRule(
        value = "self.training.method != 'FullFineTuning' || !has(self.baseModel) || !has(self.baseModel.prediction)",
        message =
                "baseModel.prediction must be unset with FullFineTuning, which writes the base model's scheduler as its files have it",
        fieldPath = ".baseModel")
@ValidationRule(
        value =
                "self.training.method != 'FullFineTuning' || !has(self.baseModel) || !has(self.baseModel.zeroTerminalSnr)",
        message =
                "baseModel.zeroTerminalSnr must be unset with FullFineTuning, which writes the base model's scheduler as its files have it",
        fieldPath = ".baseModel")
@ValidationRule(
        value = "self.training.method != 'FullFineTuning' || !has(self.output.eden) || !self.output.eden",
        message = "output.eden must be false with FullFineTuning, of which Eden's trainer has no files",
        fieldPath = ".output")
@ValidationRule(
        value =
                "!has(self.training.tokens.keyLock) || !self.training.tokens.keyLock || self.datasets.all(d, d.role != 'Train' || has(d.concept) && has(d.concept.className))",
        message =
                "datasets of role Train must have a concept with a className where training.tokens.keyLock is true, for keys are locked to it",
        fieldPath = ".datasets")
@ValidationRule(
        value =
                "!has(self.training.loss.promptAlignment) || self.datasets.all(d, d.role != 'Train' || has(d.concept) && has(d.concept.className))",
        message =
                "datasets of role Train must have a concept with a className where training.loss.promptAlignment is set",
        fieldPath = ".datasets")
@RecordBuilder
public record LoraTrainingSpec(
        @JsonPropertyDescription("Stops the run: its running Job is deleted, finished stages are kept. Default false.")
        Boolean suspend,

        @JsonPropertyDescription("The model that is adapted.") @Required
        BaseModelSpec baseModel,

        @JsonPropertyDescription("The pictures to learn from, at least one data set; a list-map by name.")
        @Required
        @Size(min = 1, max = 16) List<DatasetSpec> datasets,

        @JsonPropertyDescription("How pictures and captions are made ready.")
        PreparationSpec preparation,

        @JsonPropertyDescription("How the adapter is trained.")
        TrainingSpec training,

        @JsonPropertyDescription("Pictures drawn while it trains, at step 0 and with every checkpoint.")
        SamplingSpec sampling,

        @JsonPropertyDescription("How the checkpoints are measured and the best one is chosen.")
        EvaluationSpec evaluation,

        @JsonPropertyDescription("What is written.") OutputSpec output,

        @JsonPropertyDescription(
                "Where the course of the training is written to. Unset: to the workspace's JSON lines alone.")
        @Nullable TrackingSpec tracking,

        @JsonPropertyDescription("Where and with what the stages run.")
        RuntimeSpec runtime,

        @JsonPropertyDescription(
                "How often a stage is tried again after a failure that a retry can cure; what follows a suspension or preemption does not count. Default 3.")
        @Min(0) @Max(100) Integer retries,

        @JsonPropertyDescription(
                "The longest time in seconds that the run's containers may run, all stages and attempts together; time in which none runs, because the run is suspended, queued or waits for a node or an image, does not count. Unset: no limit.")
        @Min(1) @Max(31536000) @Nullable Integer activeDeadlineSeconds,

        @JsonPropertyDescription(
                "The longest time in seconds that an attempt's pod may take to start, from when its Job is not suspended. Unset: no limit.")
        @Min(1) @Max(31536000) @Nullable Integer startDeadlineSeconds,

        @JsonPropertyDescription(
                "Seconds after the end at which the run's Jobs are deleted; the resource stays. Unset: never.")
        @Min(0) @Max(31536000) @Nullable Integer ttlSecondsAfterFinished) {
    public LoraTrainingSpec {
        suspend = orDefault(suspend, false);
        datasets = datasets == null ? List.of() : List.copyOf(datasets);
        preparation = orDefault(preparation, Defaults.of(PreparationSpec.class));
        training = orDefault(training, Defaults.of(TrainingSpec.class));
        sampling = orDefault(sampling, Defaults.of(SamplingSpec.class));
        evaluation = orDefault(evaluation, Defaults.of(EvaluationSpec.class));
        output = orDefault(output, Defaults.of(OutputSpec.class));
        runtime = orDefault(runtime, Defaults.of(RuntimeSpec.class));
        retries = orDefault(retries, 3);
    }

    /** The words that call what is taught, without those that are there twice. */
    public Stream<String> trainedTriggers() {
        return trainedTriggers(datasets);
    }

    /** The same of {@code datasets}. */
    public static Stream<String> trainedTriggers(List<DatasetSpec> datasets) {
        return datasets.stream()
                .filter(dataset -> dataset.role() == DatasetRole.Train)
                .map(DatasetSpec::concept)
                .filter(Objects::nonNull)
                .map(ConceptSpec::trigger)
                .filter(Objects::nonNull)
                .distinct();
    }

    /** How many concepts have their keys locked: all, or none. */
    public int lockedKeys() {
        return training.tokens().locksKeys() ? (int) trainedTriggers().count() : 0;
    }
}
