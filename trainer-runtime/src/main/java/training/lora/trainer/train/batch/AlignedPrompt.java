package training.lora.trainer.train.batch;

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
    private final boolean ownMoves;
    private final boolean emptyMoves;
    private final BitSet called;
    private final TrainingData data;
    private final KnownTexts known;
    private final int timesteps;
    private final long seed;

    private AlignedPrompt(
            PromptAlignmentSpec settings,
            LoraTrainingSpec spec,
            BitSet called,
            TrainingData data,
            KnownTexts known,
            int timesteps) {
        this.own = settings.prompt();
        this.target = target(settings, spec.datasets());
        this.ownMoves = spec.training().adaptsText();
        // Tokens alone change nothing of a text that has none of them.
        this.emptyMoves = spec.training().adapter().textEncoder();
        this.called = called;
        this.data = data;
        this.known = known;
        this.timesteps = timesteps;
        this.seed = spec.training().seed();
    }

    /**
     * That of {@code spec}; null where it has none.
     *
     * @param known texts of {@code spec}
     * @param timesteps of the noise schedule
     */
    public static @Nullable AlignedPrompt of(
            TrainingData data, List<Sample> samples, LoraTrainingSpec spec, KnownTexts known, int timesteps) {
        PromptAlignmentSpec settings = spec.training().loss().promptAlignment();
        return settings == null
                ? null
                : new AlignedPrompt(
                        settings, spec, called(settings.prompt(), samples, spec.datasets()), data, known, timesteps);
    }

    /** The text with the class in the place of the trigger, which the base model is told. */
    static String target(PromptAlignmentSpec settings, List<DatasetSpec> datasets) {
        return KeptPrompts.withClasses(List.of(settings.prompt()), datasets).get(0);
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
                told(target, false, samples, scope),
                told("", false, samples, scope),
                told(own, ownMoves, samples, scope),
                told("", emptyMoves, samples, scope),
                Randomness.normal(scope, Randomness.derive(seed, index, "aligned/noise"), shape),
                times,
                factors);
    }

    /** @param moves whether what is made of the text is trained */
    private Told told(String text, boolean moves, int[] samples, NDManager scope) {
        return KeptPrompts.told(Collections.nCopies(samples.length, text), samples, data, moves ? null : known, scope);
    }
}
