package training.lora.trainer.order;

import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import training.lora.api.DatasetRole;
import training.lora.api.DatasetSpec;
import training.lora.trainer.dataset.Buckets;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.tensor.Randomness;

/**
 * The run's sequence of samples, as a function of (seed, position). It is made of epochs, each of which holds every
 * sample that is learned from as often as its data set's repeats say; where there are samples for regularization it holds
 * as many of these, which take turns from epoch to epoch. The order within an epoch is shuffled anew each time.
 */
public final class SampleOrder {
    private final Permutations learned;
    private final Permutations kept;
    private final Permutations all;
    private final float[] weights;

    private SampleOrder(int[] learned, int[] kept, float[] weights, long seed) {
        this.learned = new Permutations(learned, seed, "epoch");
        this.kept = new Permutations(kept, seed, "regularization");
        int[] places =
                IntStream.range(0, kept.length == 0 ? 0 : 2 * learned.length).toArray();
        this.all = new Permutations(places, seed, "mixture");
        this.weights = weights;
    }

    /** The order of {@code samples} by the settings of their data sets; one of them at least is learned from. */
    public static SampleOrder of(List<Sample> samples, List<DatasetSpec> datasets, long seed) {
        float[] weights = new float[samples.size()];
        for (int i = 0; i < weights.length; i++) {
            weights[i] = settings(samples.get(i), datasets).weight().floatValue();
        }
        return new SampleOrder(
                repeated(samples, datasets, DatasetRole.Train),
                repeated(samples, datasets, DatasetRole.Regularization),
                weights,
                seed);
    }

    private static int[] repeated(List<Sample> samples, List<DatasetSpec> datasets, DatasetRole role) {
        return IntStream.range(0, samples.size())
                .filter(i -> samples.get(i).role() == role)
                .flatMap(i -> IntStream.generate(() -> i)
                        .limit(settings(samples.get(i), datasets).repeats()))
                .toArray();
    }

    /** The settings of the sample's data set. */
    public static DatasetSpec settings(Sample sample, List<DatasetSpec> datasets) {
        return datasets.stream()
                .filter(d -> d.name().equals(sample.dataset()))
                .findFirst()
                .orElseThrow();
    }

    /** The settings of each sample's data set. */
    static List<DatasetSpec> settings(List<Sample> samples, List<DatasetSpec> datasets) {
        return samples.stream().map(sample -> settings(sample, datasets)).toList();
    }

    /** Samples 0 to {@code size}, all alike. */
    public static SampleOrder uniform(int size, long seed) {
        float[] weights = new float[size];
        Arrays.fill(weights, 1);
        return new SampleOrder(IntStream.range(0, size).toArray(), new int[0], weights, seed);
    }

    /** The sample at {@code position}, from 0. */
    int at(long position) {
        if (all.size() == 0) {
            return learned.at(position);
        }
        int place = all.at(position);
        long begin = position / all.size() * learned.size();
        return place < learned.size() ? learned.at(begin + place) : kept.at(begin + place - learned.size());
    }

    /** Turns in an epoch. */
    int epochSize() {
        return all.size() == 0 ? learned.size() : all.size();
    }

    /** How many turns the samples of each bucket have before {@code epoch}, from 0. */
    long[] turns(long epoch, Buckets buckets) {
        long[] turns = new long[buckets.count()];
        learned.count(epoch * learned.size(), buckets, turns);
        kept.count(epoch * learned.size(), buckets, turns);
        return turns;
    }

    /** Which buckets hold samples that are learned from. */
    boolean[] learned(Buckets buckets) {
        boolean[] found = new boolean[buckets.count()];
        Arrays.stream(learned.items).forEach(sample -> found[buckets.of(sample)] = true);
        return found;
    }

    /** Whether {@code sample} is ever trained on. */
    boolean has(int sample) {
        return learned.has(sample) || kept.has(sample);
    }

    /** What the loss of a sample is multiplied by. */
    public float weight(int sample) {
        return weights[sample];
    }

    /** Items in an order that is shuffled anew each time that all have had their turn. */
    private static final class Permutations {
        private final int[] items;
        private final long seed;
        private final String purpose;
        private final BitSet distinct = new BitSet();
        private long round = -1;
        private int[] order = {};

        Permutations(int[] items, long seed, String purpose) {
            this.items = items;
            this.seed = seed;
            this.purpose = purpose;
            Arrays.stream(items).forEach(distinct::set);
        }

        boolean has(int item) {
            return distinct.get(item);
        }

        /** Adds to {@code counts} how often each bucket has its turn before {@code position}. */
        void count(long position, Buckets buckets, long[] counts) {
            if (items.length == 0) {
                return;
            }
            long rounds = position / items.length;
            for (int item : items) {
                counts[buckets.of(item)] += rounds;
            }
            for (long i = rounds * items.length; i < position; i++) {
                counts[buckets.of(at(i))]++;
            }
        }

        int size() {
            return items.length;
        }

        int at(long position) {
            long wanted = position / items.length;
            if (wanted != round) {
                order = shuffled(wanted);
                round = wanted;
            }
            return order[(int) (position % items.length)];
        }

        private int[] shuffled(long wanted) {
            SplittableRandom random = Randomness.generator(seed, wanted, purpose);
            int[] shuffled = new int[items.length];
            for (int i = 0; i < shuffled.length; i++) {
                int j = random.nextInt(i + 1);
                shuffled[i] = shuffled[j];
                shuffled[j] = items[i];
            }
            return shuffled;
        }
    }
}
