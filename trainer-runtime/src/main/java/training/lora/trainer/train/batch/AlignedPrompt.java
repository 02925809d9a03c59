package training.lora.trainer.train.batch;

import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.Collections;
import java.util.List;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.PromptAlignmentSpec;
import training.lora.trainer.tensor.Randomness;

/** The text that what is trained is aligned with, with noise and timesteps as a function of the seed and the batch's number. */
public final class AlignedPrompt {
    /** The share of timesteps at either end that say little, which score distillation leaves out. */
    private static final int ENDS = 50;

    private final String own;
    private final String target;
    private final TrainingData data;
    private final Captions.@Nullable Embedder embedder;
    private final int timesteps;
    private final long seed;

    private AlignedPrompt(
            String own,
            String target,
            TrainingData data,
            Captions.@Nullable Embedder embedder,
            int timesteps,
            long seed) {
        this.own = own;
        this.target = target;
        this.data = data;
        this.embedder = embedder;
        this.timesteps = timesteps;
        this.seed = seed;
    }

    /**
     * That of {@code spec}; null where it has none.
     *
     * @param embedder null where text encoders are trained
     * @param timesteps of the noise schedule
     */
    public static @Nullable AlignedPrompt of(
            TrainingData data, LoraTrainingSpec spec, Captions.@Nullable Embedder embedder, int timesteps) {
        PromptAlignmentSpec settings = spec.training().loss().promptAlignment();
        if (settings == null) {
            return null;
        }
        String own = settings.prompt();
        String target = KeptPrompts.withClasses(List.of(own), spec.datasets()).get(0);
        return new AlignedPrompt(
                own, target, data, embedder, timesteps, spec.training().seed());
    }

    /** Of {@code samples}, those of batch {@code index}, whose latents are of {@code shape}. */
    Aligned at(long index, int[] samples, Shape shape, NDManager scope) {
        SplittableRandom random = Randomness.generator(seed, index, "aligned");
        int[] times = new int[samples.length];
        for (int i = 0; i < times.length; i++) {
            times[i] = timesteps / ENDS + random.nextInt(timesteps - 2 * (timesteps / ENDS));
        }
        return new Aligned(
                told(own, samples, scope),
                told(target, samples, scope),
                told("", samples, scope),
                Randomness.normal(scope, Randomness.derive(seed, index, "aligned/noise"), shape),
                times);
    }

    private Told told(String text, int[] samples, NDManager scope) {
        return KeptPrompts.told(Collections.nCopies(samples.length, text), samples, data, embedder, scope);
    }
}
