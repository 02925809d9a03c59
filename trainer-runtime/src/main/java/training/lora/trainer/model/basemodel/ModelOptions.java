package training.lora.trainer.model.basemodel;

import io.soabase.recordbuilder.core.RecordBuilder;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import training.lora.api.BaseWeights;
import training.lora.api.ModelFamily;
import training.lora.api.Precision;
import training.lora.api.Prediction;

/**
 * How a base model is opened; what is null is taken from the model.
 *
 * @param precision of the denoiser's weights and activations, as {@link training.lora.trainer.model.weights.Numbers} has it
 * @param family what it must be
 * @param prediction what the denoiser predicts
 * @param zeroTerminalSnr whether the last timestep is pure noise
 * @param vae folder or file of an autoencoder that takes the place of the model's own
 * @param maxTokens tokens of a text that are read, a multiple of {@link #CHUNK}
 * @param clipSkip layers of the text encoders, from the last, that are skipped beyond what the family skips itself
 * @param textPrecision the same of the text encoders
 * @param baseWeights how the denoiser keeps the weights of linear maps and convolutions
 * @param textBaseWeights how the text encoders do
 * @param onHost share of the denoiser's weights of linear maps and convolutions that stay in the host's memory
 */
@RecordBuilder
public record ModelOptions(
        Precision precision,
        @Nullable ModelFamily family,
        @Nullable Prediction prediction,
        @Nullable Boolean zeroTerminalSnr,
        @Nullable Path vae,
        int maxTokens,
        int clipSkip,
        Precision textPrecision,
        BaseWeights baseWeights,
        BaseWeights textBaseWeights,
        double onHost) {
    /** Tokens in a chunk of a text, beside begin and end. */
    public static final int CHUNK = 75;

    /** All from the model, in fp32. */
    public static final ModelOptions DEFAULT = in(Precision.Float32);

    /** All from the model, in {@code precision}, with text encoders in fp32, as what they embed once should be. */
    public static ModelOptions in(Precision precision) {
        return ModelOptionsBuilder.builder()
                .precision(precision)
                .maxTokens(CHUNK)
                .clipSkip(0)
                .textPrecision(Precision.Float32)
                .baseWeights(BaseWeights.Full)
                .textBaseWeights(BaseWeights.Full)
                .onHost(0)
                .build();
    }

    /** The same of what must be this family, where it is given. */
    public ModelOptions withFamily(@Nullable ModelFamily other) {
        return ModelOptionsBuilder.builder(this).family(other).build();
    }

    /** The same with a noise schedule that differs from the model's, where it is given. */
    public ModelOptions withSchedule(@Nullable Prediction other, @Nullable Boolean zeroTerminal) {
        return ModelOptionsBuilder.builder(this)
                .prediction(other)
                .zeroTerminalSnr(zeroTerminal)
                .build();
    }

    /** The same with this autoencoder, where it is given. */
    public ModelOptions withVae(@Nullable Path other) {
        return ModelOptionsBuilder.builder(this).vae(other).build();
    }

    /** The same with texts of so many tokens, by a layer that so many stand behind. */
    public ModelOptions withTexts(int tokens, int skip) {
        return ModelOptionsBuilder.builder(this)
                .maxTokens(tokens)
                .clipSkip(skip)
                .build();
    }

    /** The same with text encoders in {@code other}. */
    public ModelOptions withTextPrecision(Precision other) {
        return ModelOptionsBuilder.builder(this).textPrecision(other).build();
    }

    /** The same, of whose denoiser such a share of weights stays on the host. */
    public ModelOptions withWeightsOnHost(double share) {
        return ModelOptionsBuilder.builder(this).onHost(share).build();
    }

    /** The same, of which denoiser and text encoders keep their weights so. */
    public ModelOptions withBaseWeights(BaseWeights denoiser, BaseWeights texts) {
        return ModelOptionsBuilder.builder(this)
                .baseWeights(denoiser)
                .textBaseWeights(texts)
                .build();
    }
}
