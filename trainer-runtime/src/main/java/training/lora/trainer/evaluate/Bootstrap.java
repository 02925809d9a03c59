package training.lora.trainer.evaluate;

import io.soabase.recordbuilder.core.RecordBuilder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Intervals of metrics by the bootstrap (Efron 1979): as many pictures are drawn, with replacement, as there are, each with
 * the base model's of the same prompt, and measured again. The middle 95 % of what comes out is the interval: how much a metric
 * depends on the pictures that happened to be drawn.
 */
final class Bootstrap {
    static final int REPLICATES = 1000;

    private static final double LOW = 0.025;
    private static final double HIGH = 0.975;

    private final List<ConceptMeter> meters;
    private final long seed;

    /** Where the middle 95 % of a metric lie. */
    record Interval(double low, double high) {}

    /**
     * What was measured of a concept.
     *
     * @param pictures of the base model or a checkpoint
     * @param base the base model's
     */
    @RecordBuilder
    record Sample(PictureValues pictures, PictureValues base) {}

    Bootstrap(List<ConceptMeter> meters, long seed) {
        this.meters = meters;
        this.seed = seed;
    }

    /**
     * The intervals of the means over concepts, by metric.
     *
     * @param samples one for each concept
     */
    Map<String, Interval> intervals(List<Sample> samples) {
        SplittableRandom random = new SplittableRandom(seed);
        Map<String, double[]> drawn = new LinkedHashMap<>();
        int kept = 0;
        for (int replicate = 0; replicate < REPLICATES; replicate++) {
            List<ConceptMetrics> byConcept = new ArrayList<>();
            for (int c = 0; c < meters.size(); c++) {
                ConceptMeter meter = meters.get(c);
                int[] prompts = again(meter.share().prompts(), random);
                int[] others = again(meter.share().others(), random);
                if (meter.comparable(prompts, others)) {
                    byConcept.add(meter.measure(
                            samples.get(c).pictures(), samples.get(c).base(), prompts, others));
                }
            }
            if (byConcept.size() == meters.size()) {
                for (Map.Entry<String, Double> value :
                        ConceptMetrics.mean(byConcept).values().entrySet()) {
                    drawn.computeIfAbsent(value.getKey(), name -> filled())[kept] = value.getValue();
                }
                kept++;
            }
        }
        return intervals(drawn);
    }

    private static double[] filled() {
        double[] none = new double[REPLICATES];
        Arrays.fill(none, Double.NaN);
        return none;
    }

    private static Map<String, Interval> intervals(Map<String, double[]> drawn) {
        Map<String, Interval> intervals = new LinkedHashMap<>();
        drawn.forEach((name, values) -> {
            double[] sorted =
                    Arrays.stream(values).filter(v -> !Double.isNaN(v)).sorted().toArray();
            if (sorted.length > 0) {
                intervals.put(name, new Interval(quantile(sorted, LOW), quantile(sorted, HIGH)));
            }
        });
        return intervals;
    }

    /** Between the two nearest, in proportion. */
    private static double quantile(double[] sorted, double q) {
        double at = q * (sorted.length - 1);
        int below = (int) at;
        int above = Math.min(below + 1, sorted.length - 1);
        return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
    }

    /** As many of {@code items} as there are, drawn with replacement. */
    private static int[] again(int[] items, SplittableRandom random) {
        int[] again = new int[items.length];
        for (int i = 0; i < again.length; i++) {
            again[i] = items[(int) ((random.nextLong() >>> 1) % items.length)];
        }
        return again;
    }
}
