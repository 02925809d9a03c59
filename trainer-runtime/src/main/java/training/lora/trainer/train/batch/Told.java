package training.lora.trainer.train.batch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.model.unet.Conditioning;

/** What the denoiser is told of a batch's B samples. */
public sealed interface Told {
    /** The same with noise on its embeddings, in {@code scope} where there are some. */
    Told with(PromptNoise noise, NDManager scope);

    /** Embedded already, by text encoders that are not trained. */
    record Embedded(Conditioning conditioning) implements Told {
        @Override
        public Told with(PromptNoise noise, NDManager scope) {
            NDArray context = noise.on(conditioning.context(), scope);
            return new Embedded(new Conditioning(context, conditioning.pooled(), conditioning.timeIds()));
        }
    }

    /**
     * To be embedded at each step, by text encoders that are trained.
     *
     * @param texts B texts
     * @param timeIds the pictures' sizes (B, 6), which Stable Diffusion 1.x is not told
     * @param noise on their embeddings; null for none
     */
    record Texts(
            List<String> texts, NDArray timeIds, @Nullable PromptNoise noise) implements Told {
        public Texts(List<String> texts, NDArray timeIds) {
            this(texts, timeIds, null);
        }

        @Override
        public Told with(PromptNoise more, NDManager scope) {
            return new Texts(texts, timeIds, more);
        }
    }
}
