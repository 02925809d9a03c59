package training.lora.api;

import static training.lora.api.Defaults.orDefault;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.Pattern;
import io.fabric8.generator.annotation.Size;
import io.fabric8.generator.annotation.ValidationRule;
import org.jspecify.annotations.Nullable;

/** New tokens that text encoders learn, in the place of each concept's trigger. */
@ValidationRule(
        value =
                "self.count > 0 || !has(self.initializer) && !has(self.learningRate) && !has(self.stopFraction) && !has(self.decayPower) && self.warmupSteps == 0 && self.optimizer == 'AdamW' && self.weightDecay == 0.0 && self.covarianceWeight == 0.0 && self.deviationWeight == 0.01 && !has(self.promptNormWeight) && !has(self.triggerNormWeight) && !has(self.promptNorm) && !has(self.descriptionSteps) && !has(self.attentionWeight) && !has(self.basis) && (!has(self.keyLock) || !self.keyLock)",
        message = "count must be at least 1 where anything else of tokens is set",
        fieldPath = ".count")
@ValidationRule(
        value = "self.optimizer == 'AdamW' || self.optimizer == 'Prodigy'",
        message = "optimizer must be AdamW or Prodigy",
        fieldPath = ".optimizer")
@ValidationRule(
        value = "self.optimizer != 'Prodigy' || !has(self.learningRate) || self.learningRate >= 0.1",
        message = "learningRate must be at least 0.1 with Prodigy, which multiplies it by the rate that it finds",
        fieldPath = ".learningRate")
@ValidationRule(
        value = "self.covarianceWeight == 0.0 || self.count > 1",
        message = "covarianceWeight must be 0 where count is below 2",
        fieldPath = ".covarianceWeight")
@ValidationRule(
        value = "!has(self.promptNorm) || has(self.promptNormWeight) || has(self.triggerNormWeight)",
        message = "promptNorm must be unset where neither promptNormWeight nor triggerNormWeight is set",
        fieldPath = ".promptNorm")
@ValidationRule(
        value = "!has(self.basis) || !has(self.initializer)",
        message = "initializer must be unset where basis is set",
        fieldPath = ".initializer")
@ValidationRule(
        value = "!has(self.keyLock) || !self.keyLock || self.count == 1",
        message = "count must be 1 where keyLock is true",
        fieldPath = ".count")
public record TokensSpec(
        @JsonPropertyDescription(
                "How many tokens the trigger of each concept stands for; each data set of role Train must have one. 0: none are trained. Default 0.")
        @Min(0) @Max(32) Integer count,

        @JsonPropertyDescription(
                "Words that the tokens begin as, such as cat; where there are more tokens, the words are gone through again. Unset: the concept's className, if basis is unset; without one, random embeddings of the vocabulary's deviation.")
        @Pattern("\\S") @Size(min = 1, max = 100) @Nullable String initializer,

        @JsonPropertyDescription(
                "Highest learning rate of their embeddings; with Prodigy, what the rate that it finds is multiplied by. Unset: 1e-3 with AdamW, 1 with Prodigy.")
        @Min(value = 0, inclusive = false) @Max(10) @Nullable Double learningRate,

        @JsonPropertyDescription("Steps of a linear rise to the highest rate. Default 0.") @Min(0) @Max(1000000) Integer warmupSteps,

        @JsonPropertyDescription(
                "The rate falls as (1 - share of the training done)^decayPower, as in Eden's trainer; 0 leaves it as it is. Unset: 1.7 with AdamW, 0 with Prodigy.")
        @Min(0) @Max(10) @Nullable Double decayPower,

        @JsonPropertyDescription(
                "Share of the training after which they stay as they are. Unset: 0.7 beside an adapter, 1 with TextualInversion.")
        @Min(value = 0, inclusive = false) @Max(1) @Nullable Double stopFraction,

        @JsonPropertyDescription("AdamW or Prodigy, which finds its rate apart from the adapter's. Default AdamW.")
        OptimizerType optimizer,

        @JsonPropertyDescription("Decoupled weight decay of their embeddings. Default 0.") @Min(0) @Max(1) Double weightDecay,

        @JsonPropertyDescription(
                "Weight of a loss that holds the standard deviation of each embedding to what the vocabulary's embeddings have: mean((mu - std)^2) / (var / mu), with mean mu and variance var of the deviations over the vocabulary. Default 0.01.")
        @Min(0) @Max(1000000) Double deviationWeight,

        @JsonPropertyDescription(
                "Weight of a loss that holds the covariance of the embeddings' dimensions to the vocabulary's: the Frobenius norm of the difference over the square of the width; it takes at least two tokens. Default 0.")
        @Min(0) @Max(1000000) Double covarianceWeight,

        @JsonPropertyDescription(
                "Weight of a loss that holds the length of what text encoders make of a prompt while tokens are trained: (m - promptNorm)^2, with m the mean length of a step's embeddings behind the second token. Unset: none.")
        @Min(value = 0, inclusive = false) @Max(1000000) @Nullable Double promptNormWeight,

        @JsonPropertyDescription(
                "Weight of the same for four short prompts of a trigger; triggers take turns, one a step. Unset: none.")
        @Min(value = 0, inclusive = false) @Max(1000000) @Nullable Double triggerNormWeight,

        @JsonPropertyDescription(
                "The length that they are held to. Unset: 27.8 with Stable Diffusion 1.x, 34.5 with XL, as in Eden's trainer.")
        @Min(value = 0, inclusive = false) @Max(100000) @Nullable Double promptNorm,

        @JsonPropertyDescription(
                "Steps before the training in which text encoders alone, without the denoiser, bring tokens near to their concept's description, as Eden's token_warmup_steps: by AdamW at learningRate, or 1e-3 with Prodigy. They don't count among the training's. Unset: none.")
        @Min(1) @Max(100000) @Nullable Integer descriptionSteps,

        @JsonPropertyDescription(
                "Weight of a loss that keeps the denoiser's cross-attentions from looking for new tokens where masks leave pictures out, as Eden's token_attention_loss_w, where it is 3e-7. It takes captions.maxTokens 75. Unset: none.")
        @Min(value = 0, inclusive = false) @Max(1000000) @Nullable Double attentionWeight,

        @JsonPropertyDescription(
                "Names among whose embeddings the tokens begin, in the place of initializer and className: each as a random one of the names' kind, mean + sum_k w_k b_k with the principal components b_k of the names' embeddings. Unset: none.")
        @Nullable TokenBasisSpec basis,

        @JsonPropertyDescription(
                "Whether the denoiser's cross-attentions look for a concept as they do for its className, which lets it fit into scenes: keys of its token are locked to the className's (Perfusion, Tewel et al. 2023). It takes count 1, a plain LoRA, and a target other than *.attn2.to_k. Unset: false.")
        @Nullable Boolean keyLock) {
    public TokensSpec {
        count = orDefault(count, 0);
        warmupSteps = orDefault(warmupSteps, 0);
        optimizer = orDefault(optimizer, OptimizerType.AdamW);
        weightDecay = orDefault(weightDecay, 0.0);
        deviationWeight = orDefault(deviationWeight, 0.01);
        covarianceWeight = orDefault(covarianceWeight, 0.0);
        keyLock = Boolean.TRUE.equals(keyLock) ? true : null;
    }

    /** Whether any are trained. */
    public boolean any() {
        return count > 0;
    }

    /** Whether keys of cross-attentions are locked. */
    public boolean locksKeys() {
        return keyLock != null;
    }

    /** The power by which the rate falls: as given, else by the optimizer. */
    public double power() {
        if (decayPower != null) {
            return decayPower;
        }
        return optimizer == OptimizerType.Prodigy ? 0 : 1.7;
    }

    /** The highest learning rate: as given, else by the optimizer. */
    public double highestLearningRate() {
        if (learningRate != null) {
            return learningRate;
        }
        return optimizer == OptimizerType.Prodigy ? 1 : 1e-3;
    }
}
