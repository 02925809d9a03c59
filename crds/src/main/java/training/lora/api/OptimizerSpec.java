package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.ValidationRule;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** The optimizer and its learning rate. */
@ValidationRule(
        value =
                "!(self.type in ['Prodigy', 'ProdigyScheduleFree']) || !has(self.learningRate) || self.learningRate >= 0.1",
        message =
                "learningRate must be at least 0.1 with Prodigy and ProdigyScheduleFree, which multiply it by the rate that they find",
        fieldPath = ".learningRate")
@ValidationRule(
        value =
                "!(self.type in ['Prodigy', 'ProdigyScheduleFree']) || !has(self.textEncoderLearningRate) || self.textEncoderLearningRate >= 0.1",
        message =
                "textEncoderLearningRate must be at least 0.1 with Prodigy and ProdigyScheduleFree, which multiply it by the rate that they find",
        fieldPath = ".textEncoderLearningRate")
@ValidationRule(
        value =
                "!(self.type in ['ScheduleFreeAdamW', 'ProdigyScheduleFree']) || !has(self.schedule) || !has(self.schedule.type) || self.schedule.type == 'Constant'",
        message =
                "schedule.type must be Constant with ScheduleFreeAdamW and ProdigyScheduleFree, whose average stands in place of a schedule",
        fieldPath = ".schedule.type")
@ValidationRule(
        value =
                "!(self.type in ['ScheduleFreeAdamW', 'ProdigyScheduleFree']) || !has(self.schedule) || !has(self.schedule.finalFraction)",
        message =
                "schedule.finalFraction must be unset with ScheduleFreeAdamW and ProdigyScheduleFree, whose rate doesn't fall",
        fieldPath = ".schedule.finalFraction")
@ValidationRule(
        value = "!(self.type in ['ScheduleFreeAdamW', 'ProdigyScheduleFree']) || !has(self.beta1) || self.beta1 > 0.0",
        message = "beta1 must be greater than 0 with ScheduleFreeAdamW and ProdigyScheduleFree, whose average it makes",
        fieldPath = ".beta1")
@ValidationRule(
        value = "self.type != 'Adafactor' || (!has(self.beta1) && !has(self.beta2))",
        message = "beta1 and beta2 must be unset with Adafactor, whose decay follows from the steps",
        fieldPath = ".beta1")
@ValidationRule(
        value = "self.type in ['Prodigy', 'ProdigyScheduleFree'] || !has(self.dCoefficient)",
        message = "dCoefficient must be unset unless type is Prodigy or ProdigyScheduleFree",
        fieldPath = ".dCoefficient")
@ValidationRule(
        value = "self.type == 'Prodigy' || !has(self.growthRate)",
        message = "growthRate must be unset unless type is Prodigy",
        fieldPath = ".growthRate")
@ValidationRule(
        value =
                "(has(self.startFraction) ? self.startFraction : 0.0) < (has(self.stopFraction) ? self.stopFraction : 1.0)",
        message = "startFraction must be less than stopFraction",
        fieldPath = ".startFraction")
public record OptimizerSpec(
        @JsonPropertyDescription(
                "AdamW (Loshchilov and Hutter 2019), AdamW8bit (the same with moments of 8 bits, as bitsandbytes has it), Adafactor (at a given rate) and CAME (Luo et al. 2023), which keep rows and columns of the second moment, Lion (Chen et al. 2023), Prodigy (Mishchenko and Defazio 2023), which finds its rate by itself, ScheduleFreeAdamW (Defazio et al. 2024), which puts out an average instead of lowering its rate, or ProdigyScheduleFree, which does both. Default AdamW.")
        OptimizerType type,

        @JsonPropertyDescription(
                "Highest learning rate; with Prodigy and ProdigyScheduleFree, what the rate that is found is multiplied by. Unset: 1 with these, 2e-5 with Lion, 3e-4 with ScheduleFreeAdamW, else 1e-4.")
        @Min(value = 0, inclusive = false) @Max(10) @Nullable Double learningRate,

        @JsonPropertyDescription(
                "Highest learning rate of the text encoders, where adapter.textEncoder has them trained, on the same schedule; Prodigy finds one rate for all, which this multiplies there. Unset: learningRate.")
        @Min(value = 0, inclusive = false) @Max(10) @Nullable Double textEncoderLearningRate,

        @JsonPropertyDescription(
                "Decoupled weight decay. Unset: 0.05 with Lion, 0 with Adafactor, ScheduleFreeAdamW and ProdigyScheduleFree, else 0.01.")
        @Min(0) @Max(1) Double weightDecay,

        @JsonPropertyDescription("Decay of the first moment; Adafactor has none. Unset: 0.9.")
        @Min(0) @Max(value = 1, inclusive = false) @Nullable Double beta1,

        @JsonPropertyDescription(
                "Decay of the second moment, and of Lion's only one; Adafactor has none. Unset: 0.99 with Lion and ProdigyScheduleFree, else 0.999.")
        @Min(0) @Max(value = 1, inclusive = false) @Nullable Double beta2,

        @JsonPropertyDescription(
                "Gradients are scaled down to this 2-norm over all of the adapter. Unset: 1; with FullFineTuning, which it must be unset with, they are not.")
        @Min(value = 0, inclusive = false) @Nullable Double maxGradientNorm,

        @JsonPropertyDescription(
                "LoRA+ (Hayou et al. 2024): what the learning rate of B, which is zero at first, is multiplied by; 16 is usual, with a lower learningRate. Unset: 1.")
        @Min(value = 0, inclusive = false) @Max(1000) @Nullable Double loraPlusRatio,

        @JsonPropertyDescription(
                "Share of the training before which the denoiser's part of what is trained doesn't move; its warm-up begins there. Unset: 0. With Prodigy and ProdigyScheduleFree it must be unset where adapter.textEncoder is true.")
        @Min(0) @Max(value = 1, inclusive = false) @Nullable Double startFraction,

        @JsonPropertyDescription(
                "Share of the training from which the denoiser's part of what is trained doesn't move any more. Unset: 1. With Prodigy and ProdigyScheduleFree it must be unset where adapter.textEncoder is true.")
        @Min(value = 0, inclusive = false) @Max(1) @Nullable Double stopFraction,

        @JsonPropertyDescription(
                "Share of the training from which text encoders don't move any more. Unset: 1. With Prodigy and ProdigyScheduleFree it must be unset where adapter.textEncoder is true.")
        @Min(value = 0, inclusive = false) @Max(1) @Nullable Double textEncoderStopFraction,

        @JsonPropertyDescription(
                "What the distance that Prodigy and ProdigyScheduleFree find is multiplied by; lower is more careful. Unset: 1.")
        @Min(value = 0, inclusive = false) @Max(100) @Nullable Double dCoefficient,

        @JsonPropertyDescription(
                "What the distance that Prodigy finds may be multiplied by at a step, at most, once it has grown, such as 1.02. Unset: without a limit.")
        @Min(value = 1, inclusive = false) @Max(1000) @Nullable Double growthRate,

        @JsonPropertyDescription("How the learning rate moves.")
        ScheduleSpec schedule) {
    /** Least learning rate of those that find theirs: rates meant for AdamW would let them find nothing. */
    static final double LEAST_PRODIGY_RATE = 0.1;

    private static final double DEFAULT_GRADIENT_NORM = 1;

    /** Where a field's default is the type's, it is written out, so that what a spec depends on is in it. */
    public OptimizerSpec {
        type = orDefault(type, OptimizerType.AdamW);
        weightDecay = orDefault(
                weightDecay,
                switch (type) {
                    case AdamW, AdamW8bit, CAME, Prodigy -> 0.01;
                    case Lion -> 0.05;
                    case Adafactor, ScheduleFreeAdamW, ProdigyScheduleFree -> 0.0;
                });
        if (type.hasBetas()) {
            beta1 = orDefault(beta1, 0.9);
            beta2 = orDefault(
                    beta2, type == OptimizerType.Lion || type == OptimizerType.ProdigyScheduleFree ? 0.99 : 0.999);
        }
        schedule = orDefault(schedule, Defaults.of(ScheduleSpec.class))
                .orType(type.scheduleFree() ? ScheduleType.Constant : ScheduleType.Cosine);
    }

    /** The same, in which {@code maxGradientNorm} has its default if it was unset. */
    OptimizerSpec clipping() {
        return maxGradientNorm != null
                ? this
                : new OptimizerSpec(
                        type,
                        learningRate,
                        textEncoderLearningRate,
                        weightDecay,
                        beta1,
                        beta2,
                        DEFAULT_GRADIENT_NORM,
                        loraPlusRatio,
                        startFraction,
                        stopFraction,
                        textEncoderStopFraction,
                        dCoefficient,
                        growthRate,
                        schedule);
    }

    /** The 2-norm that gradients are scaled down to; infinite where they are not. */
    public double greatestGradientNorm() {
        return maxGradientNorm == null ? Double.POSITIVE_INFINITY : maxGradientNorm;
    }

    /** The decay of the first moment, of a type that has one. */
    public double firstDecay() {
        return Objects.requireNonNull(beta1, type::name);
    }

    /** The decay of the second moment, of a type that has one. */
    public double secondDecay() {
        return Objects.requireNonNull(beta2, type::name);
    }

    /** What the distance that is found is multiplied by. */
    public double coefficient() {
        return dCoefficient == null ? 1 : dCoefficient;
    }

    /** What the learning rate is multiplied by in B of a product. */
    public double upFactor() {
        return loraPlusRatio == null ? 1 : loraPlusRatio;
    }

    /** Share of the training before which the denoiser's part doesn't move. */
    public double start() {
        return startFraction == null ? 0 : startFraction;
    }

    /** Share of the training from which the denoiser's part of what is trained doesn't move any more. */
    public double stop() {
        return stopFraction == null ? 1 : stopFraction;
    }

    /** Share of the training from which text encoders don't move any more. */
    public double textEncoderStop() {
        return textEncoderStopFraction == null ? 1 : textEncoderStopFraction;
    }

    /** What the learning rate is multiplied by in text encoders. */
    public double textEncoderFactor() {
        return textEncoderLearningRate == null ? 1 : textEncoderLearningRate / highestLearningRate();
    }

    /** The highest learning rate: as given, else by the type. */
    public double highestLearningRate() {
        if (learningRate != null) {
            return learningRate;
        }
        return switch (type) {
            case AdamW, AdamW8bit, Adafactor, CAME -> 1e-4;
            case Lion -> 2e-5;
            case ScheduleFreeAdamW -> 3e-4;
            case Prodigy, ProdigyScheduleFree -> 1;
        };
    }
}
