package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.Pattern;
import io.fabric8.generator.annotation.Size;
import io.fabric8.generator.annotation.ValidationRule;
import org.jspecify.annotations.Nullable;

/** How the adapter is trained. */
@ValidationRule(
        value = "!has(self.steps) || !has(self.epochs)",
        message = "steps or epochs must be given, not both",
        fieldPath = ".epochs")
@ValidationRule(
        value = "has(self.epochs) || self.optimizer.schedule.warmupSteps < (has(self.steps) ? self.steps : "
                + TrainingSpec.DEFAULT_STEPS + ") + (has(self.optimizer.schedule.warmupFrom) ? 1 : 0)",
        message = "optimizer.schedule.warmupSteps must be less than steps, or with warmupFrom at most steps",
        fieldPath = ".optimizer.schedule.warmupSteps")
@ValidationRule(
        value = "!has(self.optimizer.textEncoderLearningRate) || self.adapter.textEncoder",
        message = "optimizer.textEncoderLearningRate must be unset unless adapter.textEncoder is true",
        fieldPath = ".optimizer.textEncoderLearningRate")
@ValidationRule(
        value = "self.method != 'TextualInversion' || self.tokens.count > 0",
        message = "tokens.count must be at least 1 with TextualInversion",
        fieldPath = ".tokens.count")
@ValidationRule(
        value = "self.method != 'TextualInversion' || !self.adapter.textEncoder",
        message = "adapter.textEncoder must be false with TextualInversion, which trains no adapter",
        fieldPath = ".adapter.textEncoder")
@ValidationRule(
        value = "self.method != 'TextualInversion' || !has(self.initFrom)",
        message = "initFrom must be unset with TextualInversion, which trains no adapter",
        fieldPath = ".initFrom")
@ValidationRule(
        value =
                "has(self.epochs) || self.tokens.warmupSteps == 0 || self.tokens.warmupSteps < (has(self.steps) ? self.steps : "
                        + TrainingSpec.DEFAULT_STEPS + ")",
        message = "tokens.warmupSteps must be less than steps",
        fieldPath = ".tokens.warmupSteps")
@ValidationRule(
        value = "!has(self.optimizer.textEncoderStopFraction) || self.adapter.textEncoder",
        message = "optimizer.textEncoderStopFraction must be unset unless adapter.textEncoder is true",
        fieldPath = ".optimizer.textEncoderStopFraction")
@ValidationRule(
        value =
                "(!has(self.optimizer.startFraction) && !has(self.optimizer.stopFraction)) || self.adapter.textEncoder || self.tokens.count > 0",
        message =
                "optimizer.startFraction and stopFraction must be unset unless adapter.textEncoder is true or there are tokens, since nothing else would move",
        fieldPath = ".optimizer.startFraction")
@ValidationRule(
        value =
                "!(self.optimizer.type in ['Prodigy', 'ProdigyScheduleFree']) || !self.adapter.textEncoder || !has(self.optimizer.startFraction) && !has(self.optimizer.stopFraction) && !has(self.optimizer.textEncoderStopFraction)",
        message =
                "optimizer.startFraction, stopFraction and textEncoderStopFraction must be unset with Prodigy and ProdigyScheduleFree where adapter.textEncoder is true, since the rate that they find for all would jump",
        fieldPath = ".optimizer.startFraction")
@ValidationRule(
        value = "!has(self.optimizer.loraPlusRatio) || self.adapter.type in ['LoRA', 'DoRA']",
        message = "optimizer.loraPlusRatio must be unset unless adapter.type is LoRA or DoRA",
        fieldPath = ".optimizer.loraPlusRatio")
@ValidationRule(
        value =
                "!has(self.ema) || self.method == 'TextualInversion' || !(self.optimizer.type in ['ScheduleFreeAdamW', 'ProdigyScheduleFree'])",
        message =
                "ema must be unset with ScheduleFreeAdamW and ProdigyScheduleFree, which put out an average of their own",
        fieldPath = ".ema")
@ValidationRule(
        value =
                "!has(self.adapter.maximumNorm) || !(self.optimizer.type in ['ScheduleFreeAdamW', 'ProdigyScheduleFree'])",
        message =
                "adapter.maximumNorm must be unset with ScheduleFreeAdamW and ProdigyScheduleFree, whose average would not keep to it",
        fieldPath = ".adapter.maximumNorm")
@ValidationRule(
        value = "self.method != 'TextualInversion' || self.loss.preservation.emptyPrompt == 0.0",
        message = "loss.preservation.emptyPrompt must be 0 with TextualInversion, for the empty text has no token",
        fieldPath = ".loss.preservation.emptyPrompt")
@ValidationRule(
        value = "!has(self.loss.adapterL1) || (self.method == 'Adapter' && self.adapter.type != 'DoRA')",
        message =
                "loss.adapterL1 must be unset unless method is Adapter and adapter.type is another than DoRA, whose magnitudes are no changes",
        fieldPath = ".loss.adapterL1")
@ValidationRule(
        value = "self.method == 'Adapter' || !has(self.loss.preservation.prompts)",
        message = "loss.preservation.prompts must be unset unless method is Adapter",
        fieldPath = ".loss.preservation.prompts")
@ValidationRule(
        value = "self.method == 'FullFineTuning' || !has(self.fullFineTuning)",
        message = "fullFineTuning must be unset unless method is FullFineTuning",
        fieldPath = ".fullFineTuning")
@ValidationRule(
        value =
                "!has(self.fullFineTuning) || self.fullFineTuning.bf16Weights != 'Fp32Master' || self.precision == 'BFloat16'",
        message =
                "fullFineTuning.bf16Weights must be StochasticRounding unless precision is BFloat16, for other weights are fp32 anyway",
        fieldPath = ".fullFineTuning")
@ValidationRule(
        value = "self.method != 'FullFineTuning' || has(self.optimizer.learningRate)",
        message = "optimizer.learningRate must be given with FullFineTuning; 1e-5 is usual",
        fieldPath = ".optimizer.learningRate")
@ValidationRule(
        value = "self.method != 'FullFineTuning' || !has(self.optimizer.maxGradientNorm)",
        message =
                "optimizer.maxGradientNorm must be unset with FullFineTuning, whose weights move before all gradients are there",
        fieldPath = ".optimizer.maxGradientNorm")
@ValidationRule(
        value = "self.method != 'FullFineTuning' || !has(self.memoryBudget)",
        message = "memoryBudget must be unset with FullFineTuning, whose memory is not estimated",
        fieldPath = ".memoryBudget")
@ValidationRule(
        value = "self.method != 'FullFineTuning' || self.gradientAccumulation == 1",
        message = "gradientAccumulation must be 1 with FullFineTuning, which keeps no gradients",
        fieldPath = ".gradientAccumulation")
@ValidationRule(
        value =
                "self.method != 'FullFineTuning' || self.optimizer.type in ['AdamW', 'AdamW8bit', 'Adafactor', 'CAME', 'Lion']",
        message =
                "optimizer.type must be AdamW, AdamW8bit, Adafactor, CAME or Lion with FullFineTuning, which moves a layer at a time",
        fieldPath = ".optimizer.type")
@ValidationRule(
        value = "self.method != 'FullFineTuning' || self.tokens.count == 0",
        message = "tokens.count must be 0 with FullFineTuning",
        fieldPath = ".tokens.count")
@ValidationRule(
        value = "self.method != 'FullFineTuning' || !has(self.initFrom)",
        message = "initFrom must be unset with FullFineTuning, which trains no adapter",
        fieldPath = ".initFrom")
@ValidationRule(
        value = "self.method != 'FullFineTuning' || !has(self.gradientCheckpointing)",
        message = "gradientCheckpointing must be unset with FullFineTuning, which always computes layers again",
        fieldPath = ".gradientCheckpointing")
@ValidationRule(
        value = "self.method != 'FullFineTuning' || !has(self.baseWeights) || self.baseWeights == 'Full'",
        message = "baseWeights must be unset with FullFineTuning, whose weights are trained",
        fieldPath = ".baseWeights")
@ValidationRule(
        value = "self.method != 'FullFineTuning' || !has(self.offloadFraction)",
        message = "offloadFraction must be unset with FullFineTuning, whose weights are trained",
        fieldPath = ".offloadFraction")
@ValidationRule(
        value = "!has(self.offloadFraction) || !has(self.memoryBudget)",
        message =
                "memoryBudget must be unset with offloadFraction, for it is the host's on the CPU and the other is for cards",
        fieldPath = ".memoryBudget")
@ValidationRule(
        value = "self.method != 'FullFineTuning' || !has(self.optimizer.loraPlusRatio)",
        message = "optimizer.loraPlusRatio must be unset with FullFineTuning, which trains no adapter",
        fieldPath = ".optimizer.loraPlusRatio")
@ValidationRule(
        value =
                "self.method != 'FullFineTuning' || (self.loss.preservation.outsideMask == 0.0 && self.loss.preservation.emptyPrompt == 0.0)",
        message = "loss.preservation must be unset with FullFineTuning, which keeps no base model to compare with",
        fieldPath = ".loss.preservation")
@ValidationRule(
        value = "self.method in ['Adapter', 'TextualInversion'] || self.loss.timesteps != 'LossHistory'",
        message = "loss.timesteps must be another than LossHistory unless method is Adapter or TextualInversion",
        fieldPath = ".loss.timesteps")
@ValidationRule(
        value = "!has(self.tokens.attentionWeight) || self.captions.maxTokens == 75",
        message = "captions.maxTokens must be 75 where tokens.attentionWeight is set",
        fieldPath = ".captions.maxTokens")
@ValidationRule(
        value = "self.method != 'FullFineTuning' || !has(self.loss.promptAlignment)",
        message = "loss.promptAlignment must be unset with FullFineTuning, which keeps no base model to compare with",
        fieldPath = ".loss.promptAlignment")
@ValidationRule(
        value =
                "!has(self.tokens.keyLock) || !self.tokens.keyLock || self.method == 'Adapter' && self.adapter.type == 'LoRA'",
        message = "tokens.keyLock must be unset unless method is Adapter and adapter.type is LoRA",
        fieldPath = ".tokens.keyLock")
@ValidationRule(
        value =
                "!has(self.tokens.keyLock) || !self.tokens.keyLock || self.adapter.dropout == 0.0 && !has(self.adapter.rankDropout) && !has(self.adapter.moduleDropout) && !has(self.adapter.timestepRank)",
        message =
                "tokens.keyLock must be unset where adapter has a dropout, rankDropout, moduleDropout or timestepRank, which would leave the lock out",
        fieldPath = ".tokens.keyLock")
@ValidationRule(
        value =
                "!has(self.tokens.keyLock) || !self.tokens.keyLock || !has(self.ema) && !(self.optimizer.type in ['ScheduleFreeAdamW', 'ProdigyScheduleFree'])",
        message =
                "tokens.keyLock must be unset with ema, ScheduleFreeAdamW and ProdigyScheduleFree, whose averages are of other tokens than the lock",
        fieldPath = ".tokens.keyLock")
@ValidationRule(
        value = "!has(self.tokens.keyLock) || !self.tokens.keyLock || !has(self.initFrom)",
        message = "tokens.keyLock must be unset where initFrom is set, whose keys it would replace",
        fieldPath = ".tokens.keyLock")
@ValidationRule(
        value =
                "!has(self.tokens.keyLock) || !self.tokens.keyLock || !has(self.adapter.maximumNorm) && !has(self.loss.adapterL1)",
        message =
                "tokens.keyLock must be unset where adapter.maximumNorm or loss.adapterL1 is set, which would count the lock among what is trained",
        fieldPath = ".tokens.keyLock")
public record TrainingSpec(
        @JsonPropertyDescription(
                "Adapter, or TextualInversion: embeddings of new tokens alone, where of adapter and optimizer only optimizer.maxGradientNorm counts, and of output.formats only Kohya is written; or FullFineTuning: the own weights of the denoiser and, with adapter.textEncoder, of the text encoders, where nothing else of adapter counts, Kohya is the whole model as one .safetensors file in the original layout, which ComfyUI and AUTOMATIC1111 read, and Diffusers a diffusers folder. Default Adapter.")
        TrainingMethod method,

        @JsonPropertyDescription("Optimizer steps. Default 1000 where epochs is unset.")
        @Min(1) @Max(TrainingSpec.MOST_STEPS) @Nullable Integer steps,

        @JsonPropertyDescription(
                "Instead of steps: how often the data is gone through, each picture as often as its repeats say. An epoch is ceil(pictures / (batchSize * gradientAccumulation)) steps, with as many pictures again where there are Regularization sets; where pictures have several sizes, as many steps as batches are begun in it. Unset: steps counts.")
        @Min(1) @Max(1000000) @Nullable Integer epochs,

        @JsonPropertyDescription("Pictures that are in memory at once. Default 1.") @Min(1) @Max(1024) Integer batchSize,

        @JsonPropertyDescription("Batches a step: their gradients' mean moves the adapter. Default 1.")
        @Min(1) @Max(1024) Integer gradientAccumulation,

        @JsonPropertyDescription(
                "Whether a step keeps only the inputs of the networks' blocks and runs each block again on the way back (gradient checkpointing): less memory, about half as much time again, the same result. Unset: false.")
        @Nullable Boolean gradientCheckpointing,

        @JsonPropertyDescription(
                "Number format of the frozen weights and of activations; what is trained is always fp32, but with FullFineTuning as fullFineTuning says. BFloat16 halves memory; a processor without bf16 instructions keeps the weights alone so and computes in fp32. Float32 suits small models. Default BFloat16.")
        Precision precision,

        @JsonPropertyDescription(
                "How the frozen weights of linear maps and convolutions are kept while it trains, of the denoiser and of text encoders that are trained: Full, in precision; on the CPU Int8, whole numbers with a scale for each output; on a card Fp8, 8-bit floating point numbers (e4m3) with a scale for each output. Both take half of the memory of BFloat16 and a quarter of Float32's, and a layer makes its weight of them each time it runs: a little more time and a result that differs a little, with Fp8 more than with Int8. Pictures of the training are drawn with the same weights, evaluation has full ones. Unset: Full.")
        @Nullable BaseWeights baseWeights,

        @JsonPropertyDescription(
                "What the Train stage may take of the host's memory on the CPU, for example 8Gi: of gradientCheckpointing and baseWeights Int8 it uses what is needed and not set, the cheaper first, and says so in its log; what can't be done in it is refused with the least that can. Unset: what the settings take.")
        @Pattern(ResourcesSpec.QUANTITY) @Size(max = 32) @Nullable String memoryBudget,

        @JsonPropertyDescription(
                "On a card: share of the denoiser's frozen weights of linear maps and convolutions that stay in the host's memory, from the network's end backwards; each comes to the card whenever its layer runs: less of the card's memory, more time, the same result. Refused on the CPU. Unset: 0.")
        @Min(value = 0, inclusive = false) @Max(1) @Nullable Double offloadFraction,

        @JsonPropertyDescription("Everything random is drawn from it. Default 0.") @Min(0) Long seed,

        @JsonPropertyDescription(
                "A LoRA to go on from. The adapter has the form that spec.training.adapter gives it and begins with what the file does: every module of the file must be targeted, a lower rank is filled up, and another alpha changes no result. Unset: a new adapter.")
        @Nullable InitFromSpec initFrom,

        @JsonPropertyDescription("How FullFineTuning moves weights. Unset: with the defaults.") @Nullable FullFineTuningSpec fullFineTuning,

        @JsonPropertyDescription("The adapter's form and size.")
        AdapterSpec adapter,

        @JsonPropertyDescription(
                "New tokens in the place of triggers, whose embeddings text encoders learn: with an adapter together (pivotal tuning), or alone with TextualInversion. Captions are then embedded at every step.")
        TokensSpec tokens,

        @JsonPropertyDescription("What moves the adapter, and its learning rate.")
        OptimizerSpec optimizer,

        @JsonPropertyDescription(
                "A moving average of what is trained, such as the adapter and tokens, which checkpoints, pictures and measurements are of; what is trained stays beside it. With FullFineTuning it takes 4 bytes for each weight. Unset: none.")
        @Nullable EmaSpec ema,

        @JsonPropertyDescription("What is minimised.") LossSpec loss,

        @JsonPropertyDescription("What is done with captions at each step.")
        CaptionTrainingSpec captions,

        @JsonPropertyDescription("When checkpoints are written and how many are kept.")
        CheckpointsSpec checkpoints,

        @JsonPropertyDescription("What is done when the training goes wrong.")
        WatchdogSpec watchdog) {
    /** Steps of a run that says neither steps nor epochs. */
    static final int DEFAULT_STEPS = 1000;

    private static final double PIVOTAL_STOP = 0.7;

    /** The most steps that a run may have. */
    public static final int MOST_STEPS = 10000000;

    public TrainingSpec {
        method = orDefault(method, TrainingMethod.Adapter);
        steps = steps == null && epochs == null ? Integer.valueOf(DEFAULT_STEPS) : steps;
        batchSize = orDefault(batchSize, 1);
        gradientAccumulation = orDefault(gradientAccumulation, 1);
        precision = orDefault(precision, Precision.BFloat16);
        seed = orDefault(seed, 0L);
        adapter = orDefault(adapter, Defaults.of(AdapterSpec.class));
        tokens = orDefault(tokens, Defaults.of(TokensSpec.class));
        optimizer = orDefault(optimizer, Defaults.of(OptimizerSpec.class));
        optimizer = method == TrainingMethod.FullFineTuning ? optimizer : optimizer.clipping();
        loss = orDefault(loss, Defaults.of(LossSpec.class));
        captions = orDefault(captions, Defaults.of(CaptionTrainingSpec.class));
        checkpoints = orDefault(checkpoints, Defaults.of(CheckpointsSpec.class));
        watchdog = orDefault(watchdog, Defaults.of(WatchdogSpec.class));
    }

    /** Whether what text encoders make of a text changes in the training. */
    public boolean adaptsText() {
        return adapter.textEncoder() || tokens.any();
    }

    /** Whether it trains the model's own weights. */
    public boolean trainsModel() {
        return method == TrainingMethod.FullFineTuning;
    }

    /** Whether a copy in fp32 is kept of weights that are trained. */
    public boolean keepsMasterWeights() {
        return trainsModel()
                && precision == Precision.BFloat16
                && fullFineTuning != null
                && fullFineTuning.bf16Weights() == Bf16Weights.Fp32Master;
    }

    /** Share of the training after which tokens stay as they are: as given, else by the method. */
    public double tokensStop() {
        Double given = tokens.stopFraction();
        return given != null ? given : method == TrainingMethod.TextualInversion ? 1 : PIVOTAL_STOP;
    }
}
