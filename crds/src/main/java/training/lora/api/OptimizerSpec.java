package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.ValidationRule;
import org.jspecify.annotations.Nullable;

/** The optimizer and its learning rate. */
@ValidationRule(
        value = "self.type != 'Prodigy' || !has(self.learningRate) || self.learningRate >= 0.1",
        message = "learningRate must be at least 0.1 with Prodigy, which multiplies it by the rate that it finds",
        fieldPath = ".learningRate")
@ValidationRule(
        value = "self.type != 'Prodigy' || !has(self.textEncoderLearningRate) || self.textEncoderLearningRate >= 0.1",
        message =
                "textEncoderLearningRate must be at least 0.1 with Prodigy, which multiplies it by the rate that it finds",
        fieldPath = ".textEncoderLearningRate")
public record OptimizerSpec(
        @JsonPropertyDescription(
                "AdamW (Loshchilov and Hutter 2019) or Prodigy (Mishchenko and Defazio 2023), which finds its rate by itself. Default AdamW.")
        OptimizerType type,

        @JsonPropertyDescription(
                "Highest learning rate; with Prodigy, what the rate that it finds is multiplied by. Unset: 1e-4 with AdamW, 1 with Prodigy.")
        @Min(value = 0, inclusive = false) @Max(10) @Nullable Double learningRate,

        @JsonPropertyDescription(
                "Highest learning rate of the text encoders, where adapter.textEncoder has them trained, on the same schedule; Prodigy finds one rate for all, which this multiplies there. Unset: learningRate.")
        @Min(value = 0, inclusive = false) @Max(10) @Nullable Double textEncoderLearningRate,

        @JsonPropertyDescription("Decoupled weight decay. Default 0.01.") @Min(0) @Max(1) Double weightDecay,

        @JsonPropertyDescription("Decay of the first moment. Default 0.9.") @Min(0) @Max(value = 1, inclusive = false) Double beta1,

        @JsonPropertyDescription("Decay of the second moment. Default 0.999.")
        @Min(0) @Max(value = 1, inclusive = false) Double beta2,

        @JsonPropertyDescription("Gradients are scaled down to this 2-norm over all of the adapter. Default 1.")
        @Min(value = 0, inclusive = false) Double maxGradientNorm,

        @JsonPropertyDescription("How the learning rate moves.")
        ScheduleSpec schedule) {
    /** Least learning rate of Prodigy: rates meant for AdamW would let it find nothing. */
    static final double LEAST_PRODIGY_RATE = 0.1;

    public OptimizerSpec {
        type = orDefault(type, OptimizerType.AdamW);
        weightDecay = orDefault(weightDecay, 0.01);
        beta1 = orDefault(beta1, 0.9);
        beta2 = orDefault(beta2, 0.999);
        maxGradientNorm = orDefault(maxGradientNorm, 1.0);
        schedule = orDefault(schedule, Defaults.of(ScheduleSpec.class));
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
            case AdamW -> 1e-4;
            case Prodigy -> 1;
        };
    }
}
