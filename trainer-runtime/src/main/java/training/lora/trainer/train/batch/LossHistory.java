package training.lora.trainer.train.batch;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.SplittableRandom;
import training.lora.api.TrainingSpec;
import training.lora.trainer.tensor.Randomness;

/**
 * Timesteps by the losses that were met at others: the loss-second-moment resampler of Nichol and Dhariwal (2021, Improved
 * Denoising Diffusion Probabilistic Models), over {@link #BINS} bins of timesteps, since a fine-tuning meets few of each. A bin is
 * drawn with p = (1 - u) sqrt(E[L^2]) / Z + u / BINS, E over its {@link #NEWEST} newest losses, and a sample's loss counts
 * 1 / (BINS p), so that the mean loss is that of uniform ones. Until each bin has met so many, timesteps are uniform.
 *
 * <p>All that it knows is in {@link #memory}, which a run's state holds. What the newest steps drew is there too, so that their
 * batches can be made again.
 */
public final class LossHistory {
    static final int BINS = 10;

    /** The losses of a bin that count. */
    static final int NEWEST = 10;

    /** Share of draws that are uniform, as there. */
    static final double UNIFORM = 0.001;

    private static final int LOSSES = BINS * NEWEST;

    /** Where the newest steps' draws begin. */
    private static final int ROWS = LOSSES + BINS;

    private final TimestepSampler.Range range;
    private final int bins;
    private final int parts;
    private final int batchSize;
    private final long seed;
    private final int steps;
    private final int row;
    private final NDArray memory;

    /**
     * What a batch of samples drew.
     *
     * @param timesteps of each
     * @param weights what the loss of each counts
     */
    record Drawn(int[] timesteps, float[] weights) {}

    /**
     * One that has met nothing yet.
     *
     * @param timesteps of the model
     * @param steps newest ones whose batches may be asked for again
     */
    public LossHistory(TrainingSpec training, int timesteps, int steps, NDManager parent) {
        this.range = TimestepSampler.Range.of(training.loss(), timesteps);
        this.bins = Math.min(BINS, range.count());
        this.parts = training.gradientAccumulation();
        this.batchSize = training.batchSize();
        this.seed = training.seed();
        this.steps = steps;
        this.row = 1 + 2 * parts * batchSize;
        this.memory = parent.newSubManager(Device.cpu()).zeros(new Shape(ROWS + (long) steps * row));
    }

    /**
     * (n), fp32, on the CPU: a bin's losses, oldest first, for each bin; how many of them there are; and for each of the newest
     * steps its number from 1, its timesteps plus 1 and its weights.
     */
    public NDArray memory() {
        return memory;
    }

    /** What batch {@code index} of {@code size} samples draws, or drew if it is one of the newest that were {@link #add}ed. */
    Drawn at(long index, int size) {
        return at(index, size, memory.toFloatArray());
    }

    private Drawn at(long index, int size, float[] known) {
        int at = place(index);
        Drawn drawn = new Drawn(new int[size], new float[size]);
        if (known[begin(index)] == index / parts + 1 && known[at] > 0) {
            for (int i = 0; i < size; i++) {
                drawn.timesteps()[i] = (int) known[at + i] - 1;
                drawn.weights()[i] = known[at + parts * batchSize + i];
            }
            return drawn;
        }
        double[] chances = chances(known);
        SplittableRandom random = Randomness.generator(seed, index, "timestep");
        for (int i = 0; i < size; i++) {
            int bin = bin(chances, random.nextDouble());
            int first = first(bin);
            int count = first(bin + 1) - first;
            drawn.timesteps()[i] = range.first() + first + random.nextInt(count);
            // Of p / count for a timestep and 1 / all of them if they were uniform.
            drawn.weights()[i] = (float) (count / (range.count() * chances[bin]));
        }
        return drawn;
    }

    /**
     * Takes in what a batch met; batches must come in their order.
     *
     * @param losses of its samples, without the weights of {@link Drawn}
     */
    public void add(long index, int[] timesteps, float[] losses) {
        float[] known = memory.toFloatArray();
        // As it was drawn: it is not there yet, or there from before the run was set back.
        float[] weights = at(index, timesteps.length, known).weights();
        int begin = begin(index);
        if (known[begin] != index / parts + 1) {
            Arrays.fill(known, begin, begin + row, 0);
            known[begin] = index / parts + 1;
        }
        for (int i = 0; i < timesteps.length; i++) {
            known[place(index) + i] = timesteps[i] + 1;
            known[place(index) + parts * batchSize + i] = weights[i];
            if (Float.isFinite(losses[i])) {
                push(known, binOf(timesteps[i]), losses[i]);
            }
        }
        memory.set(FloatBuffer.wrap(known));
    }

    private static void push(float[] known, int bin, float loss) {
        int begin = bin * NEWEST;
        int met = (int) known[LOSSES + bin];
        if (met < NEWEST) {
            known[begin + met] = loss;
            known[LOSSES + bin] = met + 1;
        } else {
            System.arraycopy(known, begin + 1, known, begin, NEWEST - 1);
            known[begin + NEWEST - 1] = loss;
        }
    }

    /** The chance of each bin. */
    double[] chances() {
        return chances(memory.toFloatArray());
    }

    private double[] chances(float[] known) {
        double[] chances = new double[bins];
        double sum = 0;
        for (int bin = 0; bin < bins; bin++) {
            double squares = 0;
            for (int i = 0; i < NEWEST; i++) {
                double loss = known[bin * NEWEST + i];
                squares += loss * loss;
            }
            chances[bin] = Math.sqrt(squares / NEWEST);
            sum += chances[bin];
            if (known[LOSSES + bin] < NEWEST) {
                return uniform();
            }
        }
        if (!(sum > 0 && Double.isFinite(sum))) {
            return uniform();
        }
        for (int bin = 0; bin < bins; bin++) {
            chances[bin] = (1 - UNIFORM) * chances[bin] / sum + UNIFORM / bins;
        }
        return chances;
    }

    /** By how many timesteps they have. */
    private double[] uniform() {
        double[] chances = new double[bins];
        Arrays.setAll(chances, bin -> (double) (first(bin + 1) - first(bin)) / range.count());
        return chances;
    }

    private static int bin(double[] chances, double draw) {
        double below = 0;
        for (int bin = 0; bin < chances.length - 1; bin++) {
            below += chances[bin];
            if (draw < below) {
                return bin;
            }
        }
        return chances.length - 1;
    }

    /** The first timestep of a bin, of those that are trained on. */
    private int first(int bin) {
        return (int) ((long) bin * range.count() / bins);
    }

    private int binOf(int timestep) {
        int at = timestep - range.first();
        int bin = 0;
        while (bin < bins - 1 && at >= first(bin + 1)) {
            bin++;
        }
        return bin;
    }

    private int begin(long index) {
        return ROWS + (int) (index / parts % steps) * row;
    }

    private int place(long index) {
        return begin(index) + 1 + (int) (index % parts) * batchSize;
    }
}
