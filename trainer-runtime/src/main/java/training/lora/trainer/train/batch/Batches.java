package training.lora.trainer.train.batch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import training.lora.api.TrainingSpec;
import training.lora.trainer.dataset.Buckets;
import training.lora.trainer.diffusion.NoiseSchedule;
import training.lora.trainer.order.BatchOrder;
import training.lora.trainer.order.SampleOrder;
import training.lora.trainer.tensor.Randomness;

/**
 * What is trained on, as a function of the seed and the batch's number: the samples whose
 * turn it is, timesteps, noise, a draw of each sample's latents, and what is said of them.
 */
public final class Batches implements BatchSource {
    private final TrainingData data;
    private final SampleOrder samples;
    private final BatchOrder order;
    private final long parts;
    private final long seed;
    private final Captions captions;
    private final TimestepSampler timesteps;
    private final NoiseSource noises;
    private final boolean keepsEmpty;
    private final @Nullable Double promptNoise;
    private final @Nullable KeptPrompts kept;
    private final @Nullable LossHistory history;
    private final @Nullable AlignedPrompt aligned;

    public Batches(
            TrainingData data, SampleOrder samples, Captions captions, TrainingSpec training, NoiseSchedule schedule) {
        this(data, samples, captions, Parts.NONE, training, schedule);
    }

    /**
     * What only some trainings have.
     *
     * @param kept texts whose predictions are kept
     * @param history what timesteps are drawn by
     * @param aligned the text that predictions are aligned with
     */
    public record Parts(
            @Nullable KeptPrompts kept,
            @Nullable LossHistory history,
            @Nullable AlignedPrompt aligned) {
        static final Parts NONE = new Parts(null, null, null);
    }

    /** The same with {@code parts}. */
    public Batches(
            TrainingData data,
            SampleOrder samples,
            Captions captions,
            Parts parts,
            TrainingSpec training,
            NoiseSchedule schedule) {
        this.kept = parts.kept();
        this.history = parts.history();
        this.aligned = parts.aligned();
        this.data = data;
        this.samples = samples;
        this.seed = training.seed();
        this.parts = training.gradientAccumulation();
        this.order = new BatchOrder(samples, data.buckets(), training.batchSize(), seed);
        this.captions = captions;
        this.timesteps = new TimestepSampler(training.loss(), schedule);
        this.noises = new NoiseSource(training.loss(), seed);
        this.keepsEmpty = training.loss().preservation().emptyPrompt() > 0;
        this.promptNoise = training.loss().promptNoise();
    }

    @Override
    public Batch at(long index, NDManager scope) {
        int[] chosen = order.at(index);
        Batch batch = measured(index, scope);
        return BatchBuilder.builder(batch)
                .empty(keepsEmpty ? captions.empty(chosen, scope) : null)
                .kept(kept == null ? null : kept.at(index, chosen, scope))
                .aligned(
                        aligned == null
                                ? null
                                : aligned.at(
                                        index,
                                        chosen,
                                        captions.unsaid(index, chosen),
                                        batch.latents().getShape(),
                                        scope))
                .build();
    }

    @Override
    public Batch measured(long index, NDManager scope) {
        int[] chosen = order.at(index);
        LossHistory.Drawn drawn = history == null ? drawn(index, chosen.length) : history.at(index, chosen.length);
        float[] weights = drawn.weights();
        for (int i = 0; i < chosen.length; i++) {
            weights[i] *= samples.weight(chosen[i]);
        }
        Told told = captions.at(index, chosen, scope);
        if (promptNoise != null) {
            told = told.with(new PromptNoise(promptNoise, Randomness.derive(seed, index, "prompt")), scope);
        }
        return assemble(chosen, drawn.timesteps(), told, weights, index, "", scope);
    }

    /** What the distribution draws that knows of no losses. */
    private LossHistory.Drawn drawn(long index, int size) {
        SplittableRandom random = Randomness.generator(seed, index, "timestep");
        int[] times = new int[size];
        float[] weights = new float[size];
        for (int i = 0; i < size; i++) {
            times[i] = timesteps.draw(random);
            weights[i] = 1;
        }
        return new LossHistory.Drawn(times, weights);
    }

    @Override
    public int size(long index) {
        return order.size(index);
    }

    /** Which samples have one size. */
    public Buckets buckets() {
        return data.buckets();
    }

    /**
     * A part of a fixed set: all samples of one weight, timesteps evenly over the schedule, the same noise whenever it is asked
     * for.
     *
     * @param set names the set, so that each has noise of its own
     */
    public Batch fixed(String set, FixedPart part, NDManager scope) {
        int[] samples = part.samples();
        int[] times = Arrays.stream(part.items())
                .map(item -> timesteps.at((item + 0.5) / part.total()))
                .toArray();
        float[] weights = new float[samples.length];
        Arrays.fill(weights, 1);
        return assemble(samples, times, captions.plain(samples, scope), weights, part.index(), set + "/", scope);
    }

    private Batch assemble(
            int[] samples, int[] times, Told told, float[] weights, long index, String set, NDManager scope) {
        NDArray means = data.means(samples, scope);
        NDArray deviations = data.deviations(samples, scope);
        Shape shape = means.getShape();
        NDArray draw = Randomness.normal(scope, Randomness.derive(seed, index, set + "latent"), shape);
        NDArray latents = draw.muli(deviations).addi(means);
        NDArray noise = noises.noise(index, set, shape, scope);
        NDArray inputNoise = noises.ofInput(noise, index, set, scope);
        return BatchBuilder.builder()
                .latents(latents)
                .noise(noise)
                .inputNoise(inputNoise)
                .timesteps(times)
                .told(told)
                .weights(weights)
                .mask(data.masks(samples, scope))
                .build();
    }

    /** The samples of step {@code k}, from 0. */
    public int[] ofStep(int k) {
        return LongStream.range(k * parts, (k + 1) * parts)
                .mapToObj(order::at)
                .flatMapToInt(IntStream::of)
                .toArray();
    }
}
