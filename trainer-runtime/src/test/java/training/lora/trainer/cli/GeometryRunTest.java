package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDManager;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.opencv.core.Core;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.core.Scalar;
import org.opencv.imgcodecs.Imgcodecs;
import training.lora.trainer.OpenCvLibrary;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.dataset.Variation.Kind;
import training.lora.trainer.model.unet.PictureSizes;
import training.lora.trainer.model.unet.PictureSizesBuilder;

/** A run of a tiny SDXL on pictures of several shapes, at two resolutions, with mirrored and altered copies. */
class GeometryRunTest {
    private static final List<String> SETTINGS = List.of(
            "preparation.sizing=Buckets",
            "preparation.resolutions=[64, 128]",
            "preparation.flip=true",
            "preparation.augmentTo=9");

    @TempDir
    static Path folder;

    private static TinyRun run;

    @BeforeAll
    static void runOnPicturesOfSeveralShapes() throws Exception {
        OpenCvLibrary.load();
        run = TinyRun.createXl(
                folder,
                "steps: 6, batchSize: 3, gradientAccumulation: 2, precision: Float32, adapter: {rank: 2}, checkpoints: {everySteps: 3, keep: 2}, optimizer: {learningRate: 1e-2}",
                "{enabled: false}");
        Files.writeString(
                run.yaml,
                Files.readString(run.yaml)
                        .replace("{uri: data}", "{uri: data, concept: {mode: Object, trigger: TOK}}"));
        write("bat", 300, 100, new Scalar(20, 30, 200));
        write("crab", 100, 200, new Scalar(200, 30, 20));
        assertThat(ran("run").code()).isZero();
    }

    private static void write(String name, int width, int height, Scalar colour) {
        Mat picture = new Mat(height, width, CvType.CV_8UC3, colour);
        Imgcodecs.imwrite(folder.resolve("data").resolve(name + ".png").toString(), picture);
        picture.release();
    }

    private static Ran ran(String command) {
        String[] options = SETTINGS.stream()
                .flatMap(s -> java.util.stream.Stream.of("--set", s))
                .toArray(String[]::new);
        Ran ran = run.run(command, options);
        assertThat(ran.code()).as(ran.error()).isZero();
        return ran;
    }

    private static List<Sample> samples(PreparedDataset data, String name) {
        return data.manifest().samples().stream()
                .filter(s -> s.name().equals("main/" + name + ".png"))
                .toList();
    }

    @Test
    void eachPictureIsPreparedAtItsOwnShapesWithItsCopies() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                PreparedDataset data = PreparedDataset.open(run.workspace().resolve("dataset"))) {
            // Three pictures, three mirrored, three altered, at two resolutions; the bat is 128 wide at one of them
            // alone.
            assertThat(data.size()).isEqualTo(18);
            assertThat(data.manifest().resolution()).isEqualTo(128);
            assertThat(data.pictureFiles(List.of("main"))).hasSize(3);
            assertThat(samples(data, "bat").get(1).sizes())
                    .isEqualTo(PictureSizesBuilder.builder()
                            .originalHeight(100)
                            .originalWidth(300)
                            .top(0)
                            .left(0)
                            .height(64)
                            .width(192)
                            .build());
            for (int i = 0; i < data.size(); i++) {
                PictureSizes sizes = data.manifest().samples().get(i).sizes();
                long[] latents = data.latentMean(i, manager).getShape().getShape();
                assertThat(latents[1] * 4).isEqualTo(sizes.height());
                assertThat(latents[2] * 4).isEqualTo(sizes.width());
                if (data.masked()) {
                    assertThat(data.mask(i, manager).getShape().getShape()).containsExactly(1, latents[1], latents[2]);
                }
            }
            Set<Kind> kinds = data.manifest().samples().stream()
                    .filter(s -> s.variation() != null)
                    .map(s -> s.variation().kind())
                    .collect(Collectors.toSet());
            assertThat(kinds).contains(Kind.Resolution, Kind.Flip);
            assertThat(kinds).containsAnyOf(Kind.Augmented, Kind.Outpainted);
        }
    }

    @Test
    void trainingOnSeveralSizesGoesOnToTheSameBits() throws Exception {
        byte[] whole = run.lora();
        run.unpublish();
        Files.delete(run.state(6));
        assertThat(run.states()).contains(3);

        ran("train");

        assertThat(run.lora()).isEqualTo(whole);
    }

    @Test
    void smallPicturesAreEnlargedByTheModelThatTheSpecNames() {
        TinyRun enlarging = run.in(folder.resolve("enlarged"));
        String model =
                Path.of("src/test/resources/swin2sr-goldens").toAbsolutePath().toString();

        Ran ran = enlarging.run(
                "prepare",
                "--set",
                "preparation.sizing=Buckets",
                "--set",
                "preparation.resolution=256",
                "--set",
                "preparation.upscale={source: Swin2SR, model: {uri: \"" + model + "\"}}");

        assertThat(ran.code()).as(ran.error()).isZero();
        try (PreparedDataset data = PreparedDataset.open(enlarging.workspace().resolve("dataset"))) {
            Sample crab = samples(data, "crab").get(0);
            assertThat(crab.sizes().width()).isEqualTo(192);
            assertThat(crab.sizes().originalWidth()).isEqualTo(100);
            Mat picture = Imgcodecs.imread(enlarging
                    .workspace()
                    .resolve("dataset")
                    .resolve(crab.file())
                    .toString());
            // The crab's blue is 200; whatever it is given, this random model makes it nearly grey.
            assertThat(Core.mean(picture).val[0]).isBetween(80.0, 140.0);
            picture.release();
        }
    }
}
