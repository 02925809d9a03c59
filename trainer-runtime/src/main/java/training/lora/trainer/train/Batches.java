package training.lora.trainer.train;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.SplittableRandom;
import training.lora.trainer.tensor.Randomness;

/**
 * What is trained on, as a function of the seed and the batch's number: samples in an order that is shuffled anew each epoch,
 * timesteps, noise, a draw of each sample's latents, and which captions are dropped.
 */
final class Batches implements BatchSource {
    private final TrainingData data;
    private final long seed;
    private final int batchSize;
    private final double dropout;
    private final int timesteps;

    /**
     * @param dropout share of samples that are trained on the empty caption
     * @param timesteps how many timesteps there are
     */
    Batches(TrainingData data, long seed, int batchSize, double dropout, int timesteps) {
        this.data = data;
        this.seed = seed;
        this.batchSize = batchSize;
        this.dropout = dropout;
        this.timesteps = timesteps;
    }

    @Override
    public Batch at(long index, NDManager scope) {
        int[] samples = samples(index);
        SplittableRandom times = Randomness.generator(seed, index, "timestep");
        SplittableRandom drops = Randomness.generator(seed, index, "caption");
        int[] drawn = new int[batchSize];
        boolean[] empty = new boolean[batchSize];
        for (int i = 0; i < batchSize; i++) {
            drawn[i] = times.nextInt(timesteps);
            empty[i] = drops.nextDouble() < dropout;
        }
        return assemble(samples, drawn, empty, index, "", scope);
    }

    /**
     * Part {@code index} of a fixed set: samples in the data's order, timesteps evenly over the schedule, the same noise
     * whenever it is asked for.
     *
     * @param total items in the whole set
     */
    Batch fixed(int index, int total, NDManager scope) {
        int count = Math.min(batchSize, total - index * batchSize);
        int[] samples = new int[count];
        int[] times = new int[count];
        for (int i = 0; i < count; i++) {
            int item = index * batchSize + i;
            samples[i] = item % data.size();
            times[i] = (int) ((item + 0.5) * timesteps / total);
        }
        return assemble(samples, times, new boolean[count], index, "fixed/", scope);
    }

    private Batch assemble(int[] samples, int[] times, boolean[] empty, long index, String set, NDManager scope) {
        NDArray means = data.means(samples, scope);
        NDArray deviations = data.deviations(samples, scope);
        Shape shape = means.getShape();
        NDArray draw = Randomness.normal(scope, Randomness.derive(seed, index, set + "latent"), shape);
        NDArray latents = draw.muli(deviations).addi(means);
        NDArray noise = Randomness.normal(scope, Randomness.derive(seed, index, set + "noise"), shape);
        return new Batch(latents, noise, times, data.embeddings(samples, empty, scope), null);
    }

    /** The samples of a batch: the run's sequence of epochs, each a permutation of the data, cut into batches. */
    int[] samples(long index) {
        int[] chosen = new int[batchSize];
        long first = index * batchSize;
        long epoch = -1;
        int[] order = {};
        for (int i = 0; i < batchSize; i++) {
            long position = first + i;
            if (position / data.size() != epoch) {
                epoch = position / data.size();
                order = shuffled(epoch);
            }
            chosen[i] = order[(int) (position % data.size())];
        }
        return chosen;
    }

    private int[] shuffled(long epoch) {
        SplittableRandom random = Randomness.generator(seed, epoch, "epoch");
        int[] order = new int[data.size()];
        for (int i = 0; i < order.length; i++) {
            int j = random.nextInt(i + 1);
            order[i] = order[j];
            order[j] = i;
        }
        return order;
    }
}
