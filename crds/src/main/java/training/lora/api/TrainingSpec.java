package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.ValidationRule;
import org.jspecify.annotations.Nullable;

/** How the adapter is trained. */
@ValidationRule(
        value = "!has(self.steps) || !has(self.epochs)",
        message = "steps or epochs must be given, not both",
        fieldPath = ".epochs")
@ValidationRule(
        value = "has(self.epochs) || self.optimizer.schedule.warmupSteps < (has(self.steps) ? self.steps : "
                + TrainingSpec.DEFAULT_STEPS + ")",
        message = "optimizer.schedule.warmupSteps must be less than steps",
        fieldPath = ".optimizer.schedule.warmupSteps")
@ValidationRule(
        value = "!has(self.optimizer.textEncoderLearningRate) || self.adapter.textEncoder",
        message = "optimizer.textEncoderLearningRate must be unset unless adapter.textEncoder is true",
        fieldPath = ".optimizer.textEncoderLearningRate")
public record TrainingSpec(
        @JsonPropertyDescription("Optimizer steps. Default 1000 where epochs is unset.")
        @Min(1) @Max(TrainingSpec.MOST_STEPS) @Nullable Integer steps,

        @JsonPropertyDescription(
                "Instead of steps: how often the data is gone through, each picture as often as its repeats say. An epoch is ceil(pictures / (batchSize * gradientAccumulation)) steps, with as many pictures again where there are Regularization sets; where pictures have several sizes, as many steps as batches are begun in it. Unset: steps counts.")
        @Min(1) @Max(1000000) @Nullable Integer epochs,

        @JsonPropertyDescription("Pictures that are in memory at once. Default 1.") @Min(1) @Max(1024) Integer batchSize,

        @JsonPropertyDescription("Batches a step: their gradients' mean moves the adapter. Default 1.")
        @Min(1) @Max(1024) Integer gradientAccumulation,

        @JsonPropertyDescription(
                "Number format of the frozen weights and of activations; what is trained is always fp32. BFloat16 halves memory; Float32 suits small models and processors without bf16 instructions. Default BFloat16.")
        Precision precision,

        @JsonPropertyDescription("Everything random is drawn from it. Default 0.") @Min(0) Long seed,

        @JsonPropertyDescription(
                "A LoRA to go on from. The adapter has the form that spec.training.adapter gives it and begins with what the file does: every module of the file must be targeted, a lower rank is filled up, and another alpha changes no result. Unset: a new adapter.")
        @Nullable InitFromSpec initFrom,

        @JsonPropertyDescription("The adapter's form and size.")
        AdapterSpec adapter,

        @JsonPropertyDescription("What moves the adapter, and its learning rate.")
        OptimizerSpec optimizer,

        @JsonPropertyDescription("What is minimised.") LossSpec loss,

        @JsonPropertyDescription("What is done with captions at each step.")
        CaptionTrainingSpec captions,

        @JsonPropertyDescription("When checkpoints are written and how many are kept.")
        CheckpointsSpec checkpoints,

        @JsonPropertyDescription("What is done when the training goes wrong.")
        WatchdogSpec watchdog) {
    /** Steps of a run that says neither steps nor epochs. */
    static final int DEFAULT_STEPS = 1000;

    /** The most steps that a run may have. */
    public static final int MOST_STEPS = 10000000;

    public TrainingSpec {
        steps = steps == null && epochs == null ? Integer.valueOf(DEFAULT_STEPS) : steps;
        batchSize = orDefault(batchSize, 1);
        gradientAccumulation = orDefault(gradientAccumulation, 1);
        precision = orDefault(precision, Precision.BFloat16);
        seed = orDefault(seed, 0L);
        adapter = orDefault(adapter, Defaults.of(AdapterSpec.class));
        optimizer = orDefault(optimizer, Defaults.of(OptimizerSpec.class));
        loss = orDefault(loss, Defaults.of(LossSpec.class));
        captions = orDefault(captions, Defaults.of(CaptionTrainingSpec.class));
        checkpoints = orDefault(checkpoints, Defaults.of(CheckpointsSpec.class));
        watchdog = orDefault(watchdog, Defaults.of(WatchdogSpec.class));
    }
}
