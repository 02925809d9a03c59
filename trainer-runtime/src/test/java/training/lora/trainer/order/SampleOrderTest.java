package training.lora.trainer.order;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import training.lora.api.DatasetRole;
import training.lora.api.DatasetSpec;
import training.lora.api.DatasetSpecBuilder;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.dataset.DatasetManifestSampleBuilder;
import training.lora.trainer.model.unet.PictureSizes;

class SampleOrderTest {
    private static final DatasetSpec CATS = DatasetSpecBuilder.builder()
            .name("cats")
            .uri("cats")
            .role(DatasetRole.Train)
            .repeats(3)
            .weight(0.5)
            .build();
    private static final DatasetSpec DOGS = DatasetSpecBuilder.builder()
            .name("dogs")
            .uri("dogs")
            .role(DatasetRole.Train)
            .repeats(1)
            .weight(2.0)
            .build();
    private static final DatasetSpec CLASS = DatasetSpecBuilder.builder()
            .name("class")
            .uri("class")
            .role(DatasetRole.Regularization)
            .repeats(1)
            .weight(0.7)
            .build();

    private static List<Sample> samples(DatasetSpec dataset, int count) {
        return IntStream.range(0, count)
                .mapToObj(i -> DatasetManifestSampleBuilder.builder()
                        .name(dataset.name() + "/" + i)
                        .dataset(dataset.name())
                        .role(dataset.role())
                        .file(i + ".png")
                        .caption("")
                        .sha256("")
                        .sizes(PictureSizes.square(64))
                        .build())
                .toList();
    }

    private static List<Integer> positions(SampleOrder order, int from, int to) {
        return IntStream.range(from, to).mapToObj(order::at).toList();
    }

    @Test
    void epochHoldsEachPictureAsOftenAsItsDataSetIsRepeated() {
        List<Sample> samples = new ArrayList<>(samples(CATS, 2));
        samples.addAll(samples(DOGS, 1));
        SampleOrder order = SampleOrder.of(samples, List.of(CATS, DOGS), 5);

        assertThat(positions(order, 0, 7)).containsExactlyInAnyOrder(0, 0, 0, 1, 1, 1, 2);
        assertThat(positions(order, 7, 14)).containsExactlyInAnyOrder(0, 0, 0, 1, 1, 1, 2);
        assertThat(positions(order, 0, 7)).isNotEqualTo(positions(order, 7, 14));
    }

    @Test
    void regularizationPicturesAreMixedInOneForOneAndTakeTurns() {
        List<Sample> samples = new ArrayList<>(samples(DOGS, 2));
        samples.addAll(samples(CLASS, 6));
        SampleOrder order = SampleOrder.of(samples, List.of(DOGS, CLASS), 5);

        List<Integer> kept = new ArrayList<>();
        for (int epoch = 0; epoch < 3; epoch++) {
            List<Integer> seen = positions(order, 4 * epoch, 4 * epoch + 4);
            assertThat(seen).as("epoch %d", epoch).contains(0, 1).hasSize(4);
            kept.addAll(seen.stream().filter(i -> i > 1).toList());
        }

        assertThat(kept).containsExactlyInAnyOrder(2, 3, 4, 5, 6, 7);
    }

    @Test
    void fewRegularizationPicturesAreSeenAgainWithinAnEpoch() {
        List<Sample> samples = new ArrayList<>(samples(CATS, 2));
        samples.addAll(samples(CLASS, 2));
        SampleOrder order = SampleOrder.of(samples, List.of(CATS, CLASS), 5);

        assertThat(positions(order, 0, 12)).containsExactlyInAnyOrder(0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3);
    }

    @Test
    void positionIsAFunctionOfTheSeedAloneNotOfTheOrderOfCalls() {
        List<Sample> samples = new ArrayList<>(samples(CATS, 2));
        samples.addAll(samples(CLASS, 3));
        SampleOrder order = SampleOrder.of(samples, List.of(CATS, CLASS), 5);
        List<Integer> forward = positions(order, 0, 40);
        List<Integer> backward = new ArrayList<>();
        for (int i = 39; i >= 0; i--) {
            backward.add(0, order.at(i));
        }

        assertThat(backward).isEqualTo(forward);
        assertThat(positions(SampleOrder.of(samples, List.of(CATS, CLASS), 6), 0, 40))
                .isNotEqualTo(forward);
    }

    @Test
    void sampleWeighsWhatItsDataSetSays() {
        List<Sample> samples = new ArrayList<>(samples(CATS, 1));
        samples.addAll(samples(CLASS, 1));
        SampleOrder order = SampleOrder.of(samples, List.of(CATS, CLASS), 5);

        assertThat(order.weight(0)).isEqualTo(0.5f);
        assertThat(order.weight(1)).isEqualTo(0.7f);
    }
}
