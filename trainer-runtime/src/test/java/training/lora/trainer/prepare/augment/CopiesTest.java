package training.lora.trainer.prepare.augment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.opencv.core.Core;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.core.Rect;
import org.opencv.core.Scalar;
import training.lora.api.ConceptMode;
import training.lora.api.ConceptSpec;
import training.lora.api.DatasetRole;
import training.lora.api.DatasetSpecBuilder;
import training.lora.api.Json;
import training.lora.api.PreparationSpec;
import training.lora.trainer.OpenCvLibrary;
import training.lora.trainer.dataset.Variation.Kind;
import training.lora.trainer.prepare.augment.Copies.Copy;
import training.lora.trainer.prepare.picture.Item;
import training.lora.trainer.prepare.picture.ItemBuilder;
import training.lora.trainer.prepare.place.CentreCrop;
import training.lora.trainer.prepare.place.Place;

class CopiesTest {
    static {
        OpenCvLibrary.load();
    }

    private static List<Item> items(String dataset, DatasetRole role, ConceptMode mode, int count) {
        return IntStream.range(0, count)
                .mapToObj(i -> ItemBuilder.builder()
                        .dataset(DatasetSpecBuilder.builder()
                                .name(dataset)
                                .uri("x")
                                .role(role)
                                .repeats(1)
                                .weight(1.0)
                                .concept(role == DatasetRole.Train ? new ConceptSpec(mode, "TOK", null, null) : null)
                                .build())
                        .name(dataset + "/" + i)
                        .file(Path.of("a.png"))
                        .caption("")
                        .invisible(0)
                        .build())
                .toList();
    }

    private static PreparationSpec spec(String yaml) throws Exception {
        return Json.STRICT_YAML.readValue("{" + yaml + "}", PreparationSpec.class);
    }

    private static List<Kind> kinds(Copies copies, int from, int to) {
        return IntStream.range(from, to)
                .boxed()
                .flatMap(i -> copies.of(i).stream().map(Copy::kind))
                .toList();
    }

    @Test
    void dataSetsToLearnFromAreFilledUpAndOthersAreNot() throws Exception {
        List<Item> items = new ArrayList<>(items("cats", DatasetRole.Train, ConceptMode.Style, 3));
        items.addAll(items("dogs", DatasetRole.Train, ConceptMode.Style, 20));
        items.addAll(items("held", DatasetRole.Validation, ConceptMode.Style, 2));

        Copies copies = Copies.of(items, spec("flip: true, augmentTo: 14"), 5);

        assertThat(IntStream.range(0, 3).map(i -> copies.of(i).size())).containsExactly(4, 4, 3);
        assertThat(kinds(copies, 0, 3))
                .containsExactlyInAnyOrder(
                        Kind.Flip,
                        Kind.Flip,
                        Kind.Flip,
                        Kind.Augmented,
                        Kind.Augmented,
                        Kind.Augmented,
                        Kind.Augmented,
                        Kind.Augmented,
                        Kind.Augmented,
                        Kind.Augmented,
                        Kind.Augmented);
        assertThat(kinds(copies, 3, 23)).hasSize(20).containsOnly(Kind.Flip);
        assertThat(kinds(copies, 23, 25)).isEmpty();
        assertThat(copies.mask()).isFalse();
    }

    @Test
    void objectsAreOutpaintedToo() throws Exception {
        Copies copies = Copies.of(items("x", DatasetRole.Train, ConceptMode.Object, 10), spec("augmentTo: 100"), 5);

        assertThat(kinds(copies, 0, 10).stream().filter(k -> k == Kind.Outpainted))
                .hasSizeBetween(18, 42);
        assertThat(kinds(copies, 0, 10)).hasSize(90).doesNotContain(Kind.Flip);
        assertThat(copies.mask()).isTrue();
    }

    @Test
    void copyDependsOnTheRunsSeedAndThePictureAlone() throws Exception {
        List<Item> all = items("x", DatasetRole.Train, ConceptMode.Style, 10);
        List<Item> fewer = all.subList(0, 5);

        List<Copy> copies = Copies.of(all, spec("augmentTo: 40"), 5).of(3);

        assertThat(Copies.of(fewer, spec("augmentTo: 20"), 5).of(3)).isEqualTo(copies);
        assertThat(Copies.of(all, spec("augmentTo: 40"), 6).of(3)).isNotEqualTo(copies);
        assertThat(copies).doesNotHaveDuplicates();
    }

    /** A picture of 200 x 100 whose left half is red and right half is blue. */
    private static Mat picture() {
        Mat picture = new Mat(100, 200, CvType.CV_8UC3, new Scalar(20, 30, 200));
        picture.submat(new Rect(100, 0, 100, 100)).setTo(new Scalar(200, 60, 20));
        return picture;
    }

    private static Mat mask(Altered altered) {
        return Objects.requireNonNull(altered.mask());
    }

    @Test
    void mirroredCopyIsTheMirroredPartAndSaysSo() {
        Mat whole = picture();
        Mat mask = Mat.zeros(100, 200, CvType.CV_8U);
        mask.submat(new Rect(0, 0, 80, 100)).setTo(new Scalar(255));
        Place place = new CentreCrop(64).place(200, 100);
        Place shifted = new Place(128, 64, 10, 0, 64, 64);
        Mat own = shifted.cut(whole);
        Core.flip(own, own, 1);

        try (Altered flipped = Altered.of(new Copy(Kind.Flip, 0, true), whole, mask, shifted)) {
            assertThat(Core.norm(own, flipped.picture(), Core.NORM_INF)).isZero();
            assertThat(flipped.place().left()).isEqualTo(128 - 10 - 64);
            assertThat(mask(flipped).get(30, 60)[0]).isEqualTo(255);
            assertThat(mask(flipped).get(30, 2)[0]).isZero();
        }
        assertThat(place.width()).isEqualTo(64);
    }

    @Test
    void augmentedCopyIsTheSameEachTimeAndLooksALittleDifferent() {
        Mat whole = picture();
        Place place = new CentreCrop(64).place(200, 100);
        Mat own = place.cut(whole);
        for (long seed = 1; seed < 40; seed++) {
            try (Altered once = Altered.of(new Copy(Kind.Augmented, seed, false), whole, null, place);
                    Altered again = Altered.of(new Copy(Kind.Augmented, seed, false), whole, null, place)) {
                assertThat(Core.norm(once.picture(), again.picture(), Core.NORM_INF))
                        .isZero();
                assertThat(once.variation()).isEqualTo(again.variation());
                assertThat(once.variation().parameters())
                        .containsKeys("hue", "brightness", "contrast", "saturation", "part", "left", "top", "blurred")
                        .doesNotContainKey("flip");
                assertThat(once.variation().parameters().get("brightness")).isBetween(0.9, 1.1);
                assertThat(once.place().width()).isEqualTo(64);
                assertThat(once.place().left() + 64)
                        .isLessThanOrEqualTo(once.place().scaledWidth());
                double difference = Core.norm(own, once.picture(), Core.NORM_L1) / (64 * 64 * 3);
                assertThat(difference).isBetween(1.0, 40.0);
            }
        }
    }

    @Test
    void groundOfASmallerCopyIsNotLearned() {
        Mat whole = picture();
        Place place = new CentreCrop(64).place(200, 100);
        for (long seed = 1; seed < 20; seed++) {
            try (Altered smaller = Altered.of(new Copy(Kind.Outpainted, seed, false), whole, null, place)) {
                double size = smaller.variation().parameters().getOrDefault("size", 0.0);
                double learned = Core.sumElems(mask(smaller)).val[0] / 255 / (64 * 64);

                assertThat(size).isBetween(0.5, 0.8);
                assertThat(learned).isCloseTo(size * size, within(0.03));
                assertThat(smaller.picture().size()).isEqualTo(mask(smaller).size());
                assertThat(smaller.place().left()).isZero();
            }
        }
    }

    /** A red thing at the lower edge of a blue ground. */
    private static Mat thing() {
        Mat picture = new Mat(128, 128, CvType.CV_8UC3, new Scalar(200, 60, 20));
        picture.submat(new Rect(40, 64, 48, 64)).setTo(new Scalar(20, 30, 220));
        return picture;
    }

    @Test
    void groundOfASmallerCopyIsWhatTheMaskDoesNotShow() {
        Mat mask = Mat.zeros(128, 128, CvType.CV_8U);
        mask.submat(new Rect(40, 64, 48, 64)).setTo(new Scalar(255));
        Place place = new CentreCrop(128).place(128, 128);
        for (long seed = 1; seed < 8; seed++) {
            try (Altered smaller = Altered.of(new Copy(Kind.Outpainted, seed, false), thing(), mask, place)) {
                double share = smaller.variation().parameters().getOrDefault("size", 0.0);
                int side = (int) Math.round(128 * share);
                int left = (int) Math.round(smaller.variation().parameters().getOrDefault("left", 0.0) * (128 - side));
                int top = (int) Math.round(smaller.variation().parameters().getOrDefault("top", 0.0) * (128 - side));
                Mat ground = new Mat(128, 128, CvType.CV_8U, new Scalar(255));
                ground.submat(new Rect(left, top, side, side)).setTo(new Scalar(0));
                Mat blue = new Mat();
                Core.extractChannel(smaller.picture(), blue, 0);
                Mat red = new Mat();
                Core.extractChannel(smaller.picture(), red, 2);

                // Colours vary a little; a red that is smeared would be far above.
                assertThat(Core.minMaxLoc(blue, ground).minVal).isGreaterThan(150);
                assertThat(Core.minMaxLoc(red, ground).maxVal).isLessThan(60);
            }
        }
    }

    @Test
    void aMaskOfTheWholePictureLeavesItsEdgesAsTheGround() {
        Mat mask = new Mat(128, 128, CvType.CV_8U, new Scalar(255));
        Place place = new CentreCrop(128).place(128, 128);
        try (Altered with = Altered.of(new Copy(Kind.Outpainted, 3, false), thing(), mask, place);
                Altered without = Altered.of(new Copy(Kind.Outpainted, 3, false), thing(), null, place)) {
            assertThat(Core.norm(with.picture(), without.picture(), Core.NORM_INF))
                    .isZero();
        }
    }
}
