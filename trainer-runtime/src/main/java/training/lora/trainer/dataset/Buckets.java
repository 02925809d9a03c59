package training.lora.trainer.dataset;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntPredicate;
import training.lora.trainer.model.unet.PictureSizes;

/**
 * Which samples have one size: only these can be in a batch together. Buckets are numbered from 0, in the order of their
 * first samples.
 */
public final class Buckets {
    private final int[] numbers;
    private final int count;

    private Buckets(int[] numbers, int count) {
        this.numbers = numbers;
        this.count = count;
    }

    /** Of samples of these sizes. */
    public static Buckets of(List<PictureSizes> sizes) {
        record Size(int height, int width) {}
        Map<Size, Integer> known = new LinkedHashMap<>();
        int[] numbers = new int[sizes.size()];
        for (int i = 0; i < numbers.length; i++) {
            Size size = new Size(sizes.get(i).height(), sizes.get(i).width());
            known.putIfAbsent(size, known.size());
            numbers[i] = known.get(size);
        }
        return new Buckets(numbers, known.size());
    }

    /** Of {@code samples} samples of one size. */
    public static Buckets single(int samples) {
        return new Buckets(new int[samples], 1);
    }

    /** How many there are. */
    public int count() {
        return count;
    }

    /** That of a sample. */
    public int of(int sample) {
        return numbers[sample];
    }

    /**
     * How many samples a batch of each bucket holds: {@code batchSize}, or as many as are trained on where these are fewer,
     * so that none need stand in it twice.
     */
    public int[] batchSizes(int batchSize, IntPredicate trained) {
        int[] sizes = new int[count];
        for (int i = 0; i < numbers.length; i++) {
            if (trained.test(i)) {
                sizes[numbers[i]]++;
            }
        }
        return Arrays.stream(sizes).map(n -> Math.min(n, batchSize)).toArray();
    }
}
