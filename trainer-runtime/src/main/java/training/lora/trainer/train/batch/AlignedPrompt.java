package training.lora.trainer.train.batch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.BitSet;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import training.lora.api.DatasetRole;
import training.lora.api.DatasetSpec;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.PromptAlignmentSpec;
import training.lora.trainer.dataset.Concepts;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.tensor.Randomness;

/**
 * The text that what is trained is aligned with, where samples show what it calls and are told so, with noise and timesteps as a function of
 * the seed and the batch's number.
 */
public final class AlignedPrompt {
    /** The share of timesteps at either end that say little, which score distillation leaves out. */
    private static final int ENDS = 50;

    private final String own;
    private final String target;
    private final BitSet called;
    private final TrainingData data;
    private final Captions.@Nullable Embedder embedder;
    private final int timesteps;
    private final long seed;

    private AlignedPrompt(
            String own,
            String target,
            BitSet called,
            TrainingData data,
            Captions.@Nullable Embedder embedder,
            int timesteps,
            long seed) {
        this.own = own;
        this.target = target;
        this.called = called;
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
            TrainingData data,
            List<Sample> samples,
            LoraTrainingSpec spec,
            Captions.@Nullable Embedder embedder,
            int timesteps) {
        PromptAlignmentSpec settings = spec.training().loss().promptAlignment();
        if (settings == null) {
            return null;
        }
        String own = settings.prompt();
        String target = KeptPrompts.withClasses(List.of(own), spec.datasets()).get(0);
        return new AlignedPrompt(
                own,
                target,
                called(own, samples, spec.datasets()),
                data,
                embedder,
                timesteps,
                spec.training().seed());
    }

    /** Indices of those of {@code samples} that teach a concept that {@code text} has the trigger of. */
    static BitSet called(String text, List<Sample> samples, List<DatasetSpec> datasets) {
        Set<String> names = Concepts.of(datasets).all().stream()
                .filter(concept -> concept.isIn(text))
                .flatMap(concept -> concept.datasets().stream())
                .collect(Collectors.toSet());
        BitSet called = new BitSet();
        for (int i = 0; i < samples.size(); i++) {
            Sample sample = samples.get(i);
            called.set(i, sample.role() == DatasetRole.Train && names.contains(sample.dataset()));
        }
        return called;
    }

    /**
     * Of {@code samples}, those of batch {@code index}.
     *
     * @param unsaid whether a sample's caption is left out
     * @param shape of their latents
     */
    Aligned at(long index, int[] samples, boolean[] unsaid, Shape shape, NDManager scope) {
        SplittableRandom random = Randomness.generator(seed, index, "aligned");
        int[] times = new int[samples.length];
        float[] factors = new float[samples.length];
        for (int i = 0; i < times.length; i++) {
            factors[i] = called.get(samples[i]) && !unsaid[i] ? 1 : 0;
            times[i] = timesteps / ENDS + random.nextInt(timesteps - 2 * (timesteps / ENDS));
        }
        return new Aligned(
                told(own, samples, scope),
                told(target, samples, scope),
                told("", samples, scope),
                Randomness.normal(scope, Randomness.derive(seed, index, "aligned/noise"), shape),
                times,
                factors);
    }

    private Told told(String text, int[] samples, NDManager scope) {
        if (embedder == null) {
            return new Told.Texts(Collections.nCopies(samples.length, text), data.timeIds(samples, scope));
        }
        // Of one text, for all samples.
        Conditioning one = embedder.embed(List.of(text), scope);
        NDArray pooled = one.pooled();
        NDArray context = one.context().repeat(0, samples.length);
        context.attach(scope);
        NDArray all = pooled == null ? null : pooled.repeat(0, samples.length);
        if (all != null) {
            all.attach(scope);
        }
        return KeptPrompts.told(new Conditioning(context, all, null), samples, data, scope);
    }
}
