package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Min;

/** The loss: mean squared error of the predicted noise, weighted by timestep. */
public record LossSpec(
        @JsonPropertyDescription("MinSnr (Hang et al. 2023) or Uniform. Default MinSnr.")
        LossWeighting weighting,

        @JsonPropertyDescription("Gamma of MinSnr. Default 5.") @Min(value = 0, inclusive = false) Double minSnrGamma) {
    public LossSpec {
        weighting = orDefault(weighting, LossWeighting.MinSnr);
        minSnrGamma = orDefault(minSnrGamma, 5.0);
    }
}
