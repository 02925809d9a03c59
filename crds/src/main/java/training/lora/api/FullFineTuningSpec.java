package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;

/** How a model's own weights are trained. */
public record FullFineTuningSpec(
        @JsonPropertyDescription(
                "With precision BFloat16: StochasticRounding rounds weights after a step by chance, as a function of seed, step and name, and keeps nothing beside them; Fp32Master keeps a copy in fp32, twice as large as the weights, that small steps add up in. Weights of norms are fp32 anyway. Default StochasticRounding.")
        Bf16Weights bf16Weights) {
    public FullFineTuningSpec {
        bf16Weights = orDefault(bf16Weights, Bf16Weights.StochasticRounding);
    }
}
