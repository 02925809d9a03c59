package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.ValidationRule;
import org.jspecify.annotations.Nullable;

/** What is minimised: the distance of the prediction from its target, weighted by timestep. */
@ValidationRule(
        value =
                "!(self.timesteps in ['Uniform', 'LossHistory']) || (!has(self.timestepMean) && !has(self.timestepDeviation))",
        message = "timestepMean and timestepDeviation must be unset with Uniform timesteps and with LossHistory",
        fieldPath = ".timesteps")
@ValidationRule(
        value =
                "!has(self.minimumTimestep) || !has(self.maximumTimestep) || self.minimumTimestep <= self.maximumTimestep",
        message = "minimumTimestep must be at most maximumTimestep",
        fieldPath = ".minimumTimestep")
@ValidationRule(
        value =
                "self.timesteps != 'LossHistory' || (self.preservation.emptyPrompt == 0.0 && self.preservation.outsideMask == 0.0 && !has(self.preservation.prompts))",
        message = "preservation must be unset with LossHistory, whose weights of samples count for the loss alone",
        fieldPath = ".timesteps")
@ValidationRule(
        value = "self.timesteps != 'LogNormalSigma' || (!has(self.minimumTimestep) && !has(self.maximumTimestep))",
        message = "minimumTimestep and maximumTimestep must be unset with LogNormalSigma, which follows sigmas",
        fieldPath = ".timesteps")
@ValidationRule(
        value = "self.timesteps != 'LossHistory' || !has(self.promptAlignment)",
        message = "promptAlignment must be unset with LossHistory, whose weights of samples count for the loss alone",
        fieldPath = ".promptAlignment")
@ValidationRule(
        value = "self.weighting == 'MinSnr' || self.minSnrGamma == 5.0",
        message = "minSnrGamma must be unset or 5, its default, unless weighting is MinSnr",
        fieldPath = ".minSnrGamma")
public record LossSpec(
        @JsonPropertyDescription(
                "What a timestep counts: MinSnr (Hang et al. 2023), Debiased (Yu et al. 2023) or Uniform. Default MinSnr.")
        LossWeighting weighting,

        @JsonPropertyDescription("Gamma of MinSnr; with another weighting it must be unset. Default 5.")
        @Min(value = 0, inclusive = false) Double minSnrGamma,

        @JsonPropertyDescription(
                "Delta of a pseudo-Huber loss, to which outliers count less than to the squared error; it is this at the strongest noise and nears 1 as the noise vanishes. Unset: squared error.")
        @Min(value = 0, inclusive = false) @Max(1) @Nullable Double huberDelta,

        @JsonPropertyDescription(
                "Strength of noise that is the same over a whole channel, with which very dark and very bright pictures are learned. Default 0.")
        @Min(0) @Max(1) Double offsetNoise,

        @JsonPropertyDescription(
                "Weight of each coarser level of pyramid noise relative to the one before it; 0 for none. Default 0.")
        @Min(0) @Max(value = 1, inclusive = false) Double pyramidNoise,

        @JsonPropertyDescription(
                "Strength of noise that the denoiser's input has beyond what it is to predict (Ning et al. 2023). Default 0.")
        @Min(0) @Max(1) Double inputPerturbation,

        @JsonPropertyDescription(
                "Deviation of normal noise that the embeddings of a prompt's tokens have at each step, all but those of the first and the last two; pooled embeddings have none. Pictures and measurements are without it. Unset: none.")
        @Min(value = 0, inclusive = false) @Max(10) @Nullable Double promptNoise,

        @JsonPropertyDescription(
                "Weight of the mean absolute value of what the adapter trains in the denoiser, which makes many numbers small, as Eden's l1_penalty; 0.03 is usual there. It is logged beside the loss, times its weight. Unset: none.")
        @Min(value = 0, inclusive = false) @Max(1000) @Nullable Double adapterL1,

        @JsonPropertyDescription(
                "How timesteps are drawn: Uniform, LogitNormal (Esser et al. 2024), LogNormalSigma (EDM, Karras et al. 2022) or LossHistory (Nichol and Dhariwal 2021), which prefers those whose losses were high and counts them for less, so that their mean stays what it is. Default Uniform.")
        TimestepDistribution timesteps,

        @JsonPropertyDescription(
                "Mean of the normal distribution behind LogitNormal or LogNormalSigma. Unset: 0 and -1.2.")
        @Min(-10) @Max(10) @Nullable Double timestepMean,

        @JsonPropertyDescription("Its standard deviation. Unset: 1 and 1.2.")
        @Min(value = 0, inclusive = false) @Max(10) @Nullable Double timestepDeviation,

        @JsonPropertyDescription(
                "The least timestep that is trained on, of those from 0 (no noise) to 999; the distribution is stretched between it and maximumTimestep. Unset: 0.")
        @Min(0) @Max(999) @Nullable Integer minimumTimestep,

        @JsonPropertyDescription("The greatest timestep that is trained on. Unset: the model's last, 999.")
        @Min(0) @Max(999) @Nullable Integer maximumTimestep,

        @JsonPropertyDescription(
                "Keeps the base model's predictions as they are where nothing new is taught, without regularization pictures. It is logged beside the loss, times its weight.")
        PreservationSpec preservation,

        @JsonPropertyDescription(
                "A text that what is trained is to be drawn after, whose scene and style are kept while the pictures are learned, by score distillation; four predictions more a step, which takes about 2.5 times as long. It is logged beside the loss, times its weight. Unset: none.")
        @Nullable PromptAlignmentSpec promptAlignment) {
    static final double USUAL_GAMMA = 5;

    public LossSpec {
        weighting = orDefault(weighting, LossWeighting.MinSnr);
        minSnrGamma = orDefault(minSnrGamma, USUAL_GAMMA);
        offsetNoise = orDefault(offsetNoise, 0.0);
        pyramidNoise = orDefault(pyramidNoise, 0.0);
        inputPerturbation = orDefault(inputPerturbation, 0.0);
        timesteps = orDefault(timesteps, TimestepDistribution.Uniform);
        preservation = orDefault(preservation, Defaults.of(PreservationSpec.class));
    }

    /** Mean of the normal distribution behind the timesteps: as given, else as the distribution's authors have it. */
    public double meanOfTimesteps() {
        return timestepMean != null ? timestepMean : timesteps == TimestepDistribution.LogNormalSigma ? -1.2 : 0;
    }

    /** Its standard deviation: as given, else as the distribution's authors have it. */
    public double deviationOfTimesteps() {
        return timestepDeviation != null
                ? timestepDeviation
                : timesteps == TimestepDistribution.LogNormalSigma ? 1.2 : 1;
    }
}
