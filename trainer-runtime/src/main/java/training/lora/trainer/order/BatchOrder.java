package training.lora.trainer.order;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.IntPredicate;
import training.lora.api.DatasetSpec;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.TrainingSpec;
import training.lora.trainer.dataset.Buckets;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.tensor.Randomness;

/**
 * The run's sequence of batches, as a function of (seed, index). A batch holds samples of one size, a bucket. In each bucket
 * the samples come in the order of {@link SampleOrder}, and batches go on over an epoch's end, so that none is left out and
 * none is smaller than the others of its bucket. An epoch has the batches that its samples begin, in an order that is shuffled
 * anew each time. Buckets of pictures for regularization alone leave out some of their first turns, each another number of
 * them: else the samples that their last batches are filled with would make these pictures more than those that are learned
 * from, the more so the more sizes they have.
 */
public final class BatchOrder {
    /** Epochs whose samples are kept: a batch may need those of the next one. */
    private static final int EPOCHS = 3;

    private final SampleOrder order;
    private final Buckets buckets;
    private final long seed;
    private final int[] sizes;

    /** How many turns of each bucket are left out at the run's beginning. */
    private final int[] skipped;

    private Epoch newest;

    private final Map<Long, int[][]> members = new LinkedHashMap<>() {
        @Override
        protected boolean removeEldestEntry(Map.Entry<Long, int[][]> eldest) {
            return size() > EPOCHS;
        }
    };

    /**
     * The batches of an epoch.
     *
     * @param number from 0
     * @param first index of its first batch
     * @param turns how many turns each bucket had before it
     * @param bucketOf the bucket of each batch
     * @param numbers of each batch in its bucket
     */
    private record Epoch(long number, long first, long[] turns, int[] bucketOf, long[] numbers) {
        boolean has(long index) {
            return first <= index && index < first + bucketOf.length;
        }
    }

    public BatchOrder(SampleOrder order, Buckets buckets, int batchSize, long seed) {
        this.order = order;
        this.buckets = buckets;
        this.seed = seed;
        IntPredicate trained = order::has;
        this.sizes = buckets.batchSizes(batchSize, trained);
        this.skipped = skipped(sizes, order.learned(buckets));
        this.newest = epoch(0);
    }

    /** As many of all numbers below a bucket's batch size as there are. */
    private static int[] skipped(int[] sizes, boolean[] learned) {
        int[] skipped = new int[sizes.length];
        int next = 0;
        for (int bucket = 0; bucket < sizes.length; bucket++) {
            if (sizes[bucket] > 0 && !learned[bucket]) {
                skipped[bucket] = next % sizes[bucket];
                next++;
            }
        }
        return skipped;
    }

    /** How long a run is on samples whose sizes are known. */
    public static RunLength length(LoraTrainingSpec spec, List<Sample> samples) {
        TrainingSpec training = spec.training();
        Buckets buckets = Buckets.of(samples.stream().map(Sample::sizes).toList());
        SampleOrder order = SampleOrder.of(samples, spec.datasets(), training.seed());
        return new BatchOrder(order, buckets, training.batchSize(), training.seed())
                .length(training, SampleOrder.settings(samples, spec.datasets()));
    }

    /**
     * How long a run of {@code training} is that trains in this order.
     *
     * @param pictures the data set of each sample
     */
    RunLength length(TrainingSpec training, List<DatasetSpec> pictures) {
        boolean several = Arrays.stream(sizes).filter(size -> size > 0).count() > 1;
        return RunLength.of(training, pictures, several ? this::begun : null);
    }

    /** How many batches are begun in the first {@code epochs} epochs. */
    private long begun(long epochs) {
        return batches(order.turns(epochs, buckets));
    }

    /** How many samples batch {@code index} has. */
    public int size(long index) {
        Epoch epoch = of(index);
        return sizes[epoch.bucketOf()[(int) (index - epoch.first())]];
    }

    /** The samples of batch {@code index}. */
    public int[] at(long index) {
        Epoch epoch = of(index);
        int place = (int) (index - epoch.first());
        int bucket = epoch.bucketOf()[place];
        int[] chosen = new int[sizes[bucket]];
        long number = epoch.number();
        int[] own = members(number)[bucket];
        long next = skipped[bucket] + epoch.numbers()[place] * chosen.length - epoch.turns()[bucket];
        for (int i = 0; i < chosen.length; i++) {
            while (next >= own.length) {
                next -= own.length;
                number++;
                own = members(number)[bucket];
            }
            chosen[i] = own[(int) next];
            next++;
        }
        return chosen;
    }

    /** The epoch of a batch: the last one that begins no later. */
    private Epoch of(long index) {
        if (!newest.has(index)) {
            long after = 1;
            while (begun(after) <= index) {
                after *= 2;
            }
            long number = after / 2;
            while (after - number > 1) {
                long middle = (number + after) >>> 1;
                if (begun(middle) <= index) {
                    number = middle;
                } else {
                    after = middle;
                }
            }
            newest = epoch(number);
        }
        return newest;
    }

    private Epoch epoch(long number) {
        long[] before = order.turns(number, buckets);
        long[] after = order.turns(number + 1, buckets);
        long first = batches(before);
        int[] bucketOf = new int[(int) (batches(after) - first)];
        int filled = 0;
        SplittableRandom random = Randomness.generator(seed, number, "buckets");
        for (int bucket = 0; bucket < sizes.length; bucket++) {
            long count = batches(after, bucket) - batches(before, bucket);
            for (long i = 0; i < count; i++) {
                int other = random.nextInt(filled + 1);
                bucketOf[filled] = bucketOf[other];
                bucketOf[other] = bucket;
                filled++;
            }
        }
        long[] next = new long[sizes.length];
        for (int bucket = 0; bucket < sizes.length; bucket++) {
            next[bucket] = batches(before, bucket);
        }
        long[] numbers = new long[bucketOf.length];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = next[bucketOf[i]]++;
        }
        return new Epoch(number, first, before, bucketOf, numbers);
    }

    /** Batches that so many turns of the buckets begin. */
    private long batches(long[] turns) {
        long sum = 0;
        for (int bucket = 0; bucket < sizes.length; bucket++) {
            sum += batches(turns, bucket);
        }
        return sum;
    }

    private long batches(long[] turns, int bucket) {
        int size = sizes[bucket];
        return size == 0 ? 0 : (Math.max(0, turns[bucket] - skipped[bucket]) + size - 1) / size;
    }

    /** The samples of an epoch in their order, by buckets. */
    private int[][] members(long epoch) {
        return members.computeIfAbsent(epoch, number -> {
            int count = order.epochSize();
            int[] all = new int[count];
            int[] sums = new int[sizes.length];
            for (int i = 0; i < count; i++) {
                all[i] = order.at(number * count + i);
                sums[buckets.of(all[i])]++;
            }
            int[][] parts = new int[sizes.length][];
            for (int bucket = 0; bucket < parts.length; bucket++) {
                parts[bucket] = new int[sums[bucket]];
                sums[bucket] = 0;
            }
            for (int sample : all) {
                int bucket = buckets.of(sample);
                parts[bucket][sums[bucket]++] = sample;
            }
            return parts;
        });
    }
}
