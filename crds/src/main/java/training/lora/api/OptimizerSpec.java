package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;

/** AdamW (Loshchilov and Hutter 2019) and its learning rate. */
public record OptimizerSpec(
        @JsonPropertyDescription("Highest learning rate. Default 1e-4.") @Min(value = 0, inclusive = false) @Max(10) Double learningRate,

        @JsonPropertyDescription("Decoupled weight decay. Default 0.01.") @Min(0) @Max(1) Double weightDecay,

        @JsonPropertyDescription("Decay of the first moment. Default 0.9.") @Min(0) @Max(value = 1, inclusive = false) Double beta1,

        @JsonPropertyDescription("Decay of the second moment. Default 0.999.")
        @Min(0) @Max(value = 1, inclusive = false) Double beta2,

        @JsonPropertyDescription("Gradients are scaled down to this 2-norm over all of the adapter. Default 1.")
        @Min(value = 0, inclusive = false) Double maxGradientNorm,

        @JsonPropertyDescription("How the learning rate moves.")
        ScheduleSpec schedule) {
    public OptimizerSpec {
        learningRate = orDefault(learningRate, 1e-4);
        weightDecay = orDefault(weightDecay, 0.01);
        beta1 = orDefault(beta1, 0.9);
        beta2 = orDefault(beta2, 0.999);
        maxGradientNorm = orDefault(maxGradientNorm, 1.0);
        schedule = orDefault(schedule, Defaults.of(ScheduleSpec.class));
    }
}
