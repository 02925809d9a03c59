package training.lora.trainer.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.Arrays;
import java.util.SplittableRandom;
import training.lora.api.TrainingSpec;
import training.lora.trainer.diffusion.NoiseSchedule;
import training.lora.trainer.tensor.Randomness;

/**
 * What is trained on, as a function of the seed and the batch's number: the samples whose
 * turn it is, timesteps, noise, a draw of each sample's latents, and what is said of them.
 */
final class Batches implements BatchSource {
    private final TrainingData data;
    private final SampleOrder order;
    private final long seed;
    private final int batchSize;
    private final Captions captions;
    private final TimestepSampler timesteps;
    private final NoiseSource noises;

    Batches(TrainingData data, SampleOrder order, Captions captions, TrainingSpec training, NoiseSchedule schedule) {
        this.data = data;
        this.order = order;
        this.seed = training.seed();
        this.batchSize = training.batchSize();
        this.captions = captions;
        this.timesteps = new TimestepSampler(training.loss(), schedule);
        this.noises = new NoiseSource(training.loss(), seed);
    }

    @Override
    public Batch at(long index, NDManager scope) {
        int[] samples = samples(index);
        SplittableRandom times = Randomness.generator(seed, index, "timestep");
        int[] drawn = new int[batchSize];
        for (int i = 0; i < batchSize; i++) {
            drawn[i] = timesteps.draw(times);
        }
        float[] weights = new float[batchSize];
        for (int i = 0; i < batchSize; i++) {
            weights[i] = order.weight(samples[i]);
        }
        return assemble(samples, drawn, captions.at(index, samples, scope), weights, index, "", scope);
    }

    /**
     * Part {@code index} of a fixed set: samples in their order, all of one weight, timesteps evenly over the schedule,
     * the same noise whenever it is asked for.
     *
     * @param set names the set, so that each has noise of its own
     * @param from the samples, which take turns
     * @param total items in the whole set
     */
    Batch fixed(String set, int[] from, int index, int total, NDManager scope) {
        int count = Math.min(batchSize, total - index * batchSize);
        int[] samples = new int[count];
        int[] times = new int[count];
        for (int i = 0; i < count; i++) {
            int item = index * batchSize + i;
            samples[i] = from[item % from.length];
            times[i] = (int) ((item + 0.5) * timesteps.count() / total);
        }
        float[] weights = new float[count];
        Arrays.fill(weights, 1);
        return assemble(samples, times, captions.plain(samples, scope), weights, index, set + "/", scope);
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

    /** The samples of a batch. */
    int[] samples(long index) {
        int[] chosen = new int[batchSize];
        for (int i = 0; i < batchSize; i++) {
            chosen[i] = order.at(index * batchSize + i);
        }
        return chosen;
    }
}
