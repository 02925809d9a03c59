package training.lora.trainer.train.batch;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import training.lora.trainer.dataset.Buckets;

/**
 * Items of a fixed set of (picture, noise, timestep) that are measured together.
 *
 * @param index of the part
 * @param items numbers of its items, which say what their timesteps are
 * @param samples of its items
 * @param total items of the whole set
 */
public record FixedPart(int index, int[] items, int[] samples, int total) {
    /** The items of a set in parts of one size of picture, where {@code samples} take turns; the parts come as their first items do. */
    public static List<FixedPart> of(int[] samples, int items, int batchSize, Buckets buckets) {
        Map<Integer, List<Integer>> open = new LinkedHashMap<>();
        List<List<Integer>> all = new ArrayList<>();
        for (int item = 0; item < items; item++) {
            int bucket = buckets.of(samples[item % samples.length]);
            List<Integer> part = open.get(bucket);
            if (part == null || part.size() == batchSize) {
                part = new ArrayList<>();
                open.put(bucket, part);
                all.add(part);
            }
            part.add(item);
        }
        return IntStream.range(0, all.size())
                .mapToObj(index -> {
                    int[] own = all.get(index).stream().mapToInt(i -> i).toArray();
                    return new FixedPart(
                            index,
                            own,
                            Arrays.stream(own)
                                    .map(i -> samples[i % samples.length])
                                    .toArray(),
                            items);
                })
                .toList();
    }
}
