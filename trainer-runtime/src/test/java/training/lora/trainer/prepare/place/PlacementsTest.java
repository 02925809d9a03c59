package training.lora.trainer.prepare.place;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.core.MatOfByte;
import org.opencv.core.Rect;
import org.opencv.core.Scalar;
import org.opencv.imgcodecs.Imgcodecs;
import training.lora.api.DatasetRole;
import training.lora.api.DatasetSpecBuilder;
import training.lora.api.Json;
import training.lora.api.PreparationSpec;
import training.lora.trainer.OpenCvLibrary;
import training.lora.trainer.TrainerException;
import training.lora.trainer.prepare.picture.Item;
import training.lora.trainer.prepare.picture.ItemBuilder;

class PlacementsTest {
    static {
        OpenCvLibrary.load();
    }

    private static final Item ITEM = ItemBuilder.builder()
            .dataset(DatasetSpecBuilder.builder()
                    .name("main")
                    .uri("x")
                    .role(DatasetRole.Train)
                    .repeats(1)
                    .weight(1.0)
                    .build())
            .name("main/a.png")
            .file(Path.of("a.png"))
            .caption("")
            .invisible(0)
            .build();

    private static Item item(Path file) {
        return ItemBuilder.builder(ITEM).file(file).build();
    }

    private static Placement placement(String yaml) throws Exception {
        PreparationSpec spec = Json.STRICT_YAML.readValue("{" + yaml + "}", PreparationSpec.class);
        return Placements.of(spec, Placements.resolutions(spec, 512), List.of());
    }

    private static Place place(String yaml, int width, int height) throws Exception {
        List<Place> places = placement(yaml).places(ITEM, width, height, null);
        assertThat(places).hasSize(1);
        return places.get(0);
    }

    @ParameterizedTest
    @CsvSource({
        "1024,1024,1024,1024", // square
        "3000,2000,1216,832", // 3:2
        "4000,3000,1152,896", // 4:3
        "1920,1080,1344,768", // 16:9
        "1080,1920,768,1344",
        "6000,2500,1536,640", // 21:9
        "8000,1000,2048,512" // the longest there is
    })
    void bucketsOf1024AreStableDiffusionXls(int width, int height, int frameWidth, int frameHeight) throws Exception {
        Place place = place("sizing: Buckets, resolution: 1024", width, height);

        assertThat(new Frame(place.width(), place.height())).isEqualTo(new Frame(frameWidth, frameHeight));
    }

    @ParameterizedTest
    @CsvSource({
        "800,400,128,64", // 192 x 64 would lose a third
        "400,800,64,128",
        "600,600,128,128",
        "800,600,128,128", // half the area would lose as much again
        "900,300,192,64",
        "1000,250,256,64"
    })
    void whereThereAreFewShapesOneOfLessAreaMayFitBetter(int width, int height, int frameWidth, int frameHeight)
            throws Exception {
        Place place = place("sizing: Buckets, resolution: 128", width, height);

        assertThat(new Frame(place.width(), place.height())).isEqualTo(new Frame(frameWidth, frameHeight));
    }

    @Test
    void thereAre17BucketsOf512And41Of1024() {
        assertThat(Frames.Buckets.of(512, 256, 1024, false).all()).hasSize(17);
        assertThat(Frames.Buckets.of(1024, 256, 2048, false).all()).hasSize(41);
    }

    @Test
    void bucketEnlargesNothingAndHasNoMoreThanTheResolutionsArea() throws Exception {
        Placement buckets = placement("sizing: Buckets");
        SplittableRandom random = new SplittableRandom(7);
        for (int i = 0; i < 500; i++) {
            int width = random.nextInt(64, 2000);
            int height = random.nextInt(64, 2000);
            Place place = buckets.places(ITEM, width, height, null).get(0);

            assertThat(place.scaledWidth()).isLessThanOrEqualTo(width);
            assertThat(place.scaledHeight()).isLessThanOrEqualTo(height);
            assertThat(place.width() % 64 + place.height() % 64).isZero();
            assertThat(place.width() * place.height()).isBetween(64 * 64, 512 * 512);
            assertThat(place.left() + place.width()).isLessThanOrEqualTo(place.scaledWidth());
            assertThat(place.top() + place.height()).isLessThanOrEqualTo(place.scaledHeight());
        }
    }

    @Test
    void sidesOfBucketsAreWithinTheirLimits() throws Exception {
        Place place = place("sizing: Buckets, buckets: {minimumSide: 384, maximumSide: 640}", 4000, 1000);

        assertThat(new Frame(place.width(), place.height())).isEqualTo(new Frame(640, 384));
        assertThatThrownBy(() -> placement("sizing: Buckets, resolutions: [512, 1024], buckets: {maximumSide: 768}"))
                .isInstanceOf(TrainerException.class)
                .hasMessage(
                        "`spec.preparation.buckets` must have a minimumSide of at most and a maximumSide of at least the resolution 1024, had 512 and 768");
    }

    @Test
    void averageRatioGivesTheNearestMultiplesOf64() {
        // sqrt(1.4) x 512 = 605.8, 512 / sqrt(1.4) = 432.7
        assertThat(Frames.One.average(512, 1.4).frame()).isEqualTo(new Frame(576, 448));
        assertThat(Frames.One.average(512, 1).frame()).isEqualTo(new Frame(512, 512));
    }

    @Test
    void whatCannotBeReadHasNoPartInTheAverageShape(@TempDir Path folder) throws Exception {
        MatOfByte wide = new MatOfByte();
        Imgcodecs.imencode(".png", new Mat(200, 400, CvType.CV_8UC3, new Scalar(9, 9, 9)), wide);
        MatOfByte tall = new MatOfByte();
        Imgcodecs.imencode(".jpg", new Mat(900, 100, CvType.CV_8UC3, new Scalar(9, 9, 9)), tall);
        byte[] flat = wide.toArray();
        // The header's height, in its last byte.
        flat[23] = 0;
        List<Item> items = List.of(
                item(Files.write(folder.resolve("wide.png"), wide.toArray())),
                item(Files.write(folder.resolve("cut.jpg"), Arrays.copyOf(tall.toArray(), 600))),
                item(Files.write(folder.resolve("flat.png"), flat)));
        PreparationSpec spec = Json.STRICT_YAML.readValue("sizing: AverageAspect", PreparationSpec.class);

        Place place = Placements.of(spec, List.of(512), items)
                .places(items.get(0), 400, 200, null)
                .get(0);

        assertThat(new Frame(place.width(), place.height()))
                .isEqualTo(Frames.One.average(512, 2).frame());
    }

    @Test
    void pictureIsTakenAtEachResolutionOnceAsOftenAsItsSizesDiffer() throws Exception {
        Placement places = placement("sizing: Buckets, resolutions: [512, 768]");

        assertThat(places.places(ITEM, 2000, 2000, null).stream().map(Place::width))
                .containsExactly(512, 768);
        assertThat(places.places(ITEM, 300, 300, null).stream().map(Place::width))
                .containsExactly(256);
    }

    @ParameterizedTest
    @CsvSource({"700,512", "333,777", "512,512", "100,90", "4000,3001"})
    void squaresOfAnyWayAreTheCentreCrops(int width, int height) throws Exception {
        Place own = placement("resolutions: [512, 1024]")
                .places(ITEM, width, height, null)
                .get(0);

        assertThat(own).isEqualTo(new CentreCrop(512).place(width, height));
    }

    @Test
    void salienceKeepsTheMaskedThingWholeWhereverItIs() throws Exception {
        Placement salience = placement("resolution: 128, crop: Salience, mask: {source: Alpha}");
        SplittableRandom random = new SplittableRandom(3);
        int atAnEdge = 0;
        for (int i = 0; i < 200; i++) {
            int width = random.nextInt(130, 400);
            int height = random.nextInt(130, 400);
            double side = Math.min(width, height);
            int thingWidth = random.nextInt(4, (int) (0.95 * side));
            int thingHeight = random.nextInt(4, (int) (0.95 * side));
            int left = edge(random, width - thingWidth);
            int top = edge(random, height - thingHeight);
            atAnEdge += left == 0 || left == width - thingWidth || top == 0 || top == height - thingHeight ? 1 : 0;
            Mat mask = Mat.zeros(height, width, CvType.CV_8U);
            mask.submat(new Rect(left, top, thingWidth, thingHeight)).setTo(new Scalar(255));

            Place place = salience.places(ITEM, width, height, mask).get(0);

            double scale = (double) place.scaledWidth() / width;
            assertThat(place.left()).as("left of %d", i).isBetween(0, place.scaledWidth() - 128);
            assertThat(place.top()).as("top of %d", i).isBetween(0, place.scaledHeight() - 128);
            assertThat(left * scale).as("begin of %d", i).isGreaterThanOrEqualTo(place.left() - 1);
            assertThat((left + thingWidth) * scale).as("end of %d", i).isLessThanOrEqualTo(place.left() + 128 + 1);
            assertThat(top * scale).isGreaterThanOrEqualTo(place.top() - 1);
            assertThat((top + thingHeight) * scale).isLessThanOrEqualTo(place.top() + 128 + 1);
            mask.release();
        }
        assertThat(atAnEdge).isGreaterThan(80);
    }

    /** A third lie at either end. */
    private static int edge(SplittableRandom random, int most) {
        return switch (random.nextInt(6)) {
            case 0 -> 0;
            case 1 -> most;
            default -> random.nextInt(most + 1);
        };
    }

    @Test
    void salienceIsAroundTheCentreOfMassAndTheMiddleWhereNothingIsMasked() throws Exception {
        Placement salience = placement("resolution: 64, crop: Salience, mask: {source: Alpha}");
        Mat mask = Mat.zeros(64, 256, CvType.CV_8U);

        assertThat(salience.places(ITEM, 256, 64, mask).get(0).left()).isEqualTo(96);

        mask.submat(new Rect(40, 20, 20, 20)).setTo(new Scalar(255));
        // (20 x 20 x 50 + .01 x 256 x 64 x 128) / (20 x 20 + .01 x 256 x 64) = 72.7
        assertThat(salience.places(ITEM, 256, 64, mask).get(0).left()).isEqualTo(40);

        mask.submat(new Rect(40, 20, 20, 20)).setTo(new Scalar(0));
        mask.submat(new Rect(0, 0, 200, 64)).setTo(new Scalar(255));
        // Too wide to be whole: (200 x 64 x 100 + .01 x 256 x 64 x 128) / (200 x 64 + .01 x 256 x 64) = 100.4
        assertThat(salience.places(ITEM, 256, 64, mask).get(0).left()).isEqualTo(68);
        mask.release();
    }
}
