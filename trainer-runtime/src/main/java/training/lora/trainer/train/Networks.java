package training.lora.trainer.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.model.PromptEncoder;
import training.lora.trainer.model.layer.AttentionScores;
import training.lora.trainer.model.layer.Keep;
import training.lora.trainer.model.layer.ProjectionDeltas;
import training.lora.trainer.model.text.TextEmbedding;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.train.batch.PromptNoise;
import training.lora.trainer.train.batch.Told;

/**
 * The denoiser, and before it the text encoders where these are trained: from noisy latents (B, C, h, w), timesteps (B)
 * and what is told of the samples to the prediction (B, C, h, w).
 *
 * @param prompts null where texts come embedded
 * @param keep what of a recorded pass is kept
 */
record Networks(UNet unet, @Nullable PromptEncoder prompts, Keep keep) {
    /** Of which what each layer needs is kept. */
    Networks(UNet unet, @Nullable PromptEncoder prompts) {
        this(unet, prompts, Keep.LayerStates);
    }

    /** A prediction that can be walked back. */
    interface Recording {
        /** The prediction. */
        NDArray output();

        /** What text encoders made of the texts, (B, S, D), before it was noised; null where texts came embedded. */
        @Nullable NDArray context();

        /**
         * Adds to the gradients of the adapter's factors; works once.
         *
         * @param gradient of the output
         * @param ofContext what is added to the gradient of {@link #context} for a loss of its own; null for nothing
         */
        void backward(NDArray gradient, @Nullable NDArray ofContext);

        /** The same without a loss of the context. */
        default void backward(NDArray gradient) {
            backward(gradient, null);
        }
    }

    /** Predicts; what it makes belongs to {@code noisy}'s manager. */
    NDArray forward(NDArray noisy, NDArray timesteps, Told told, ProjectionDeltas deltas) {
        NDManager scope = noisy.getManager();
        return unet.forward(noisy, timesteps, told(told, deltas, scope), deltas);
    }

    /** What the denoiser is {@code told}, embedded here where it is texts. */
    Conditioning told(Told told, ProjectionDeltas deltas, NDManager scope) {
        return told instanceof Told.Texts texts
                ? conditioning(encoder().encode(scope, texts.texts(), deltas), texts)
                : embedded(told);
    }

    /** The same, with what a backward pass needs. */
    Recording record(NDArray noisy, NDArray timesteps, Told told, ProjectionDeltas deltas) {
        return record(noisy, timesteps, told, deltas, null);
    }

    /** @param scores take those of cross-attentions where texts are embedded here; null for none */
    Recording record(
            NDArray noisy, NDArray timesteps, Told told, ProjectionDeltas deltas, @Nullable AttentionScores scores) {
        if (!(told instanceof Told.Texts texts)) {
            return denoised(unet.record(noisy, timesteps, embedded(told), deltas, keep));
        }
        PromptEncoder.Recording text = encoder().record(noisy.getManager(), texts.texts(), deltas, keep);
        UNet.Recording denoised =
                unet.recordToText(noisy, timesteps, conditioning(text.embedding(), texts), deltas, keep, scores);
        return new Recording() {
            @Override
            public NDArray output() {
                return denoised.output();
            }

            @Override
            public NDArray context() {
                return text.embedding().context();
            }

            @Override
            public void backward(NDArray gradient, @Nullable NDArray ofContext) {
                denoised.backward(gradient);
                TextEmbedding toText = denoised.toText();
                if (ofContext != null) {
                    toText.context().addi(ofContext);
                }
                text.backward(toText);
            }
        };
    }

    private static Recording denoised(UNet.Recording recording) {
        return new Recording() {
            @Override
            public NDArray output() {
                return recording.output();
            }

            @Override
            public @Nullable NDArray context() {
                return null;
            }

            @Override
            public void backward(NDArray gradient, @Nullable NDArray ofContext) {
                recording.backward(gradient);
            }
        };
    }

    private PromptEncoder encoder() {
        return Objects.requireNonNull(prompts, "text encoders for texts that are not embedded");
    }

    private static Conditioning embedded(Told told) {
        return ((Told.Embedded) told).conditioning();
    }

    /** What the denoiser is told of {@code text}, which was embedded here. */
    static Conditioning conditioning(TextEmbedding text, Told.Texts told) {
        NDArray plain = text.context();
        PromptNoise noise = told.noise();
        NDArray context = noise == null ? plain : noise.on(plain, plain.getManager());
        return text.pooled() == null
                ? Conditioning.of(context)
                : new Conditioning(context, text.pooled(), told.timeIds());
    }
}
