package training.lora.trainer.order;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.DatasetRole;
import training.lora.api.DatasetSpec;
import training.lora.api.DatasetSpecBuilder;
import training.lora.api.TrainingSpec;
import training.lora.trainer.dataset.Buckets;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.dataset.DatasetManifestSampleBuilder;
import training.lora.trainer.model.unet.PictureSizes;
import training.lora.trainer.model.unet.PictureSizesBuilder;
import training.lora.trainer.train.TrainingSpecs;

class BatchOrderTest {
    private static DatasetSpec dataset(DatasetRole role, int repeats) {
        return DatasetSpecBuilder.builder()
                .name(role.name())
                .uri("x")
                .role(role)
                .repeats(repeats)
                .weight(1.0)
                .build();
    }

    /** Samples of the data set, one of each width. */
    private static List<Sample> samples(DatasetSpec dataset, int... widths) {
        return Arrays.stream(widths)
                .mapToObj(width -> DatasetManifestSampleBuilder.builder()
                        .name("x")
                        .dataset(dataset.name())
                        .role(dataset.role())
                        .file("x.png")
                        .caption("")
                        .sha256("")
                        .sizes(PictureSizesBuilder.builder(PictureSizes.square(512))
                                .width(width)
                                .build())
                        .build())
                .toList();
    }

    private static final DatasetSpec TRAIN = dataset(DatasetRole.Train, 1);
    private static final DatasetSpec REGULARIZATION = dataset(DatasetRole.Regularization, 1);

    private static Buckets buckets(List<Sample> samples) {
        return Buckets.of(samples.stream().map(Sample::sizes).toList());
    }

    private static BatchOrder order(List<Sample> samples, List<DatasetSpec> datasets, int batchSize, long seed) {
        return new BatchOrder(SampleOrder.of(samples, datasets, seed), buckets(samples), batchSize, seed);
    }

    private static List<List<Integer>> batches(BatchOrder order, int count) {
        return IntStream.range(0, count)
                .mapToObj(i -> Arrays.stream(order.at(i)).boxed().toList())
                .toList();
    }

    /** Five of 512, three of 640, one of 768. */
    private static final int[] WIDTHS = {512, 640, 512, 512, 768, 640, 512, 640, 512};

    @Test
    void batchHoldsOneSizeAndIsShortOnlyWhereItsBucketIs() {
        List<Sample> samples = samples(TRAIN, WIDTHS);
        BatchOrder order = order(samples, List.of(TRAIN), 4, 3);

        for (int i = 0; i < 60; i++) {
            int[] batch = order.at(i);
            assertThat(Arrays.stream(batch).map(s -> WIDTHS[s]).distinct().count())
                    .isEqualTo(1);
            int full = Math.min(4, (int)
                    Arrays.stream(WIDTHS).filter(w -> w == WIDTHS[batch[0]]).count());
            assertThat(batch).hasSize(full);
            assertThat(order.size(i)).isEqualTo(full);
        }
    }

    @Test
    void shortBatchIsFilledFromItsBucketsNextEpochSoThatAllHaveAsManyTurns() {
        List<Sample> samples = samples(TRAIN, WIDTHS);
        // Batches of 4: 5, 3 and 1 pictures make 5, 4 and 4 batches in four epochs.
        Map<Integer, Integer> turns = new HashMap<>();
        batches(order(samples, List.of(TRAIN), 4, 3), 13)
                .forEach(batch -> batch.forEach(s -> turns.merge(s, 1, Integer::sum)));

        assertThat(turns).hasSize(WIDTHS.length).allSatisfy((s, n) -> assertThat(n)
                .isEqualTo(4));
    }

    @Test
    void eachPictureHasItsTurnByTheEndOfEachEpoch() {
        List<Sample> samples = samples(TRAIN, WIDTHS);
        List<List<Integer>> all = batches(order(samples, List.of(TRAIN), 4, 3), 13);
        // ceil(5 e / 4) + e + e batches in e epochs.
        for (int epoch = 1; epoch <= 4; epoch++) {
            Map<Integer, Integer> turns = new HashMap<>();
            all.subList(0, (5 * epoch + 3) / 4 + 2 * epoch)
                    .forEach(b -> b.forEach(s -> turns.merge(s, 1, Integer::sum)));
            int least = epoch;
            assertThat(turns).hasSize(WIDTHS.length).allSatisfy((s, n) -> assertThat(n)
                    .isBetween(least, least + 1));
        }
    }

    @ParameterizedTest
    @CsvSource({"7,2,0", "7,3,0", "5,4,3", "2,2,5"})
    void oneSizeComesAsItsSamplesDo(int learned, int batchSize, int kept) {
        List<Sample> samples = new ArrayList<>(samples(TRAIN, new int[learned]));
        samples.addAll(samples(REGULARIZATION, new int[kept]));
        List<DatasetSpec> datasets = List.of(TRAIN, REGULARIZATION);
        SampleOrder plain = SampleOrder.of(samples, datasets, 9);
        BatchOrder order = order(samples, datasets, batchSize, 9);

        for (int i = 0; i < 50; i++) {
            for (int j = 0; j < batchSize; j++) {
                assertThat(order.at(i)[j]).isEqualTo(plain.at((long) i * batchSize + j));
            }
        }
    }

    @Test
    void batchIsAFunctionOfTheSeedAndItsNumberNotOfTheOrderOfCalls() {
        List<Sample> samples = new ArrayList<>(samples(TRAIN, WIDTHS));
        samples.addAll(samples(REGULARIZATION, 512, 640, 640, 896));
        List<DatasetSpec> datasets = List.of(TRAIN, REGULARIZATION);
        List<List<Integer>> forward = batches(order(samples, datasets, 2, 3), 200);

        for (int from : new int[] {199, 130, 77, 3, 150, 0}) {
            assertThat(order(samples, datasets, 2, 3).at(from))
                    .containsExactly(forward.get(from).stream().mapToInt(s -> s).toArray());
        }
        assertThat(batches(order(samples, datasets, 2, 4), 200)).isNotEqualTo(forward);
    }

    @Test
    void regularizationPicturesComeOneForOneWhateverTheirSizes() {
        List<Sample> samples = new ArrayList<>(samples(TRAIN, WIDTHS));
        samples.addAll(samples(REGULARIZATION, 512, 640, 640, 896, 896));
        BatchOrder order = order(samples, List.of(TRAIN, REGULARIZATION), 2, 3);
        int[] turns = new int[samples.size()];
        for (int i = 0; i < 1000; i++) {
            for (int sample : order.at(i)) {
                turns[sample]++;
            }
        }

        int learned = IntStream.range(0, 9).map(i -> turns[i]).sum();
        int kept = IntStream.range(9, 14).map(i -> turns[i]).sum();
        assertThat(learned - kept).isBetween(-8, 8);
        assertThat(Arrays.stream(turns, 0, 9).max().orElseThrow()
                        - Arrays.stream(turns, 0, 9).min().orElseThrow())
                .isLessThanOrEqualTo(2);
        assertThat(Arrays.stream(turns, 9, 14).max().orElseThrow()
                        - Arrays.stream(turns, 9, 14).min().orElseThrow())
                .isLessThanOrEqualTo(3);
    }

    @Test
    void sizesAreMixedWithinAnEpoch() {
        int[] widths = IntStream.range(0, 80).map(i -> i < 40 ? 512 : 640).toArray();
        BatchOrder order = order(samples(TRAIN, widths), List.of(TRAIN), 2, 3);
        int changes = 0;
        for (int i = 1; i < 40; i++) {
            changes += widths[order.at(i)[0]] == widths[order.at(i - 1)[0]] ? 0 : 1;
        }

        assertThat(changes).isBetween(10, 30);
    }

    private static RunLength length(String training, List<Sample> samples, DatasetSpec... datasets) {
        TrainingSpec spec = TrainingSpecs.of(training);
        List<DatasetSpec> all = List.of(datasets);
        return order(samples, all, spec.batchSize(), 3).length(spec, SampleOrder.settings(samples, all));
    }

    private static int[] turns(BatchOrder order, int samples, int batches) {
        int[] turns = new int[samples];
        for (int i = 0; i < batches; i++) {
            Arrays.stream(order.at(i)).forEach(sample -> turns[sample]++);
        }
        return turns;
    }

    @Test
    void epochsOfSeveralSizesAreTheBatchesThatAreBegunInThem() {
        RunLength length = length("batchSize: 4, gradientAccumulation: 2, epochs: 3", samples(TRAIN, WIDTHS), TRAIN);

        // ceil(5 * 3 / 4), ceil(3 * 3 / 3) and 3.
        assertThat(length.steps()).isEqualTo((4 + 3 + 3) / 2);
        assertThat(length.epochBatches()).isEqualTo(4);
        assertThat(List.of(length.epochs(0), length.epochs(1), length.epochs(2), length.epochs(3), length.epochs(5)))
                .containsExactly(0L, 1L, 1L, 2L, 3L);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 7, 50})
    void eachPictureHasOneTurnInEachOfTheEpochsOfSeveralSizesAndAFewAreOneAhead(int epochs) {
        List<Sample> samples = samples(TRAIN, WIDTHS);
        int steps = length("batchSize: 4, epochs: " + epochs, samples, TRAIN).steps();

        int[] turns = turns(order(samples, List.of(TRAIN), 4, 3), samples.size(), steps);

        assertThat(Arrays.stream(turns).boxed()).allMatch(n -> n == epochs || n == epochs + 1);
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 5, 10, 100})
    void runIsNoLongerForRegularizationPicturesOfManySizes(int epochs) {
        List<Sample> samples = new ArrayList<>(samples(TRAIN, new int[10]));
        samples.addAll(samples(
                REGULARIZATION,
                IntStream.range(0, 100).map(i -> 512 + i % 20 * 64).toArray()));
        List<DatasetSpec> datasets = List.of(TRAIN, REGULARIZATION);

        RunLength length = length("batchSize: 4, epochs: " + epochs, samples, TRAIN, REGULARIZATION);
        int[] turns = turns(order(samples, datasets, 4, 3), samples.size(), length.steps());

        int learned = Arrays.stream(turns, 0, 10).sum();
        int kept = Arrays.stream(turns, 10, 110).sum();
        assertThat(learned).isBetween(10 * epochs, 10 * epochs + 3);
        assertThat((double) kept / learned).isBetween(0.75, 1.25);
        assertThat(length.steps()).isBetween(5 * epochs - 2, 5 * epochs + 3);
        assertThat(length.epochBatches()).isBetween(5L, 6L);
    }

    @Test
    void oneSizeIsCountedAsKohyaCountsWhateverSizesAreHeldOut() {
        DatasetSpec heldOut = dataset(DatasetRole.Validation, 1);
        List<Sample> samples = new ArrayList<>(samples(TRAIN, new int[10]));
        samples.addAll(samples(heldOut, 640, 768));

        assertThat(length("batchSize: 4, epochs: 3", samples, TRAIN, heldOut).steps())
                .isEqualTo(9);
    }
}
