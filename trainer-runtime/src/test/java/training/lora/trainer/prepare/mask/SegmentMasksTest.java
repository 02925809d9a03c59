package training.lora.trainer.prepare.mask;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.opencv.core.Core;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.core.Scalar;
import org.opencv.core.Size;
import org.opencv.imgcodecs.Imgcodecs;
import org.opencv.imgproc.Imgproc;
import training.lora.api.Json;
import training.lora.api.MaskSpec;
import training.lora.api.Reason;
import training.lora.trainer.Goldens;
import training.lora.trainer.OpenCvLibrary;
import training.lora.trainer.TrainerException;
import training.lora.trainer.tensor.ComputeDevice;

/** Against transformers on a random tiny network (segment_goldens.py), and on what the bundled one was trained for. */
class SegmentMasksTest {
    private static final String FIELD = "spec.preparation.mask.model.uri";
    private static final Path RANDOM = Goldens.FOLDER.resolve("clipseg");
    private static final Path BUNDLED = Goldens.BUNDLED.resolve("emoji-clipseg");
    private static final Path SCENES = Path.of("src/test/resources/segment-scenes");
    private static final Path ROBOTS = Path.of("src/test/resources/robot-masks");

    static {
        OpenCvLibrary.load();
    }

    @TempDir
    Path folder;

    private static MaskSpec spec(String fields) {
        try {
            return Json.STRICT_YAML.readValue("{source: Segment, " + fields + "}", MaskSpec.class);
        } catch (IOException e) {
            throw new IllegalArgumentException(e);
        }
    }

    private static SegmentMasks open(Path model, String fields) {
        return new SegmentMasks(ClipSeg.open(FIELD, model), new SegmentPrompts(spec(fields), Map.of()), "digest");
    }

    private static void assertNear(float[] actual, float[] expected) {
        assertThat(actual).hasSameSizeAs(expected);
        for (int i = 0; i < expected.length; i++) {
            assertThat((double) actual[i])
                    .as("%d", i)
                    .isCloseTo(expected[i], org.assertj.core.data.Offset.offset(1e-3));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"bat", "crab"})
    void masksAreThoseOfTransformers(String name) {
        Mat picture = Imgcodecs.imread(RANDOM.resolve(name + ".png").toString());
        try (NDManager manager = ComputeDevice.CPU.newManager();
                Goldens goldens = new Goldens("clipseg", manager);
                SegmentMasks half = open(RANDOM, "bias: 0.05");
                SegmentMasks two = open(RANDOM, "temperature: 2");
                SegmentMasks sigmoid = open(RANDOM, "scoring: Sigmoid, temperature: 1, bias: 0.1")) {
            assertNear(
                    half.soft(picture, List.of("a cat")).values(),
                    goldens.get(name + ".softmax.0.5").toFloatArray());
            assertNear(
                    two.soft(picture, List.of("a cat")).values(),
                    goldens.get(name + ".softmax.2.0").toFloatArray());
            assertNear(
                    sigmoid.soft(picture, List.of("an owl", "a cat")).values(),
                    goldens.get(name + ".sigmoid").toFloatArray());
        }
        picture.release();
    }

    /** Shared and joint area, of masks that count at least half. */
    private static double iou(SegmentMasks masks, List<String> prompts, List<Path> pictures, List<Path> truths) {
        double shared = 0;
        double joint = 0;
        for (int i = 0; i < pictures.size(); i++) {
            Mat picture = Imgcodecs.imread(pictures.get(i).toString());
            SegmentMasks.Soft soft = masks.soft(picture, List.of(prompts.get(i)));
            assertThat(soft.nothing()).isFalse();
            Mat truth = Imgcodecs.imread(truths.get(i).toString(), Imgcodecs.IMREAD_GRAYSCALE);
            Imgproc.resize(truth, truth, new Size(soft.side(), soft.side()), 0, 0, Imgproc.INTER_AREA);
            byte[] bytes = new byte[soft.side() * soft.side()];
            truth.get(0, 0, bytes);
            for (int at = 0; at < bytes.length; at++) {
                boolean is = (bytes[at] & 0xff) > 127;
                boolean found = soft.values()[at] > 0.5;
                shared += is && found ? 1 : 0;
                joint += is || found ? 1 : 0;
            }
            picture.release();
            truth.release();
        }
        return shared / joint;
    }

    @Test
    void thingsInScenesAreFoundByTheirNames() throws IOException {
        List<String> names = new ArrayList<>();
        try (var files = Files.list(SCENES)) {
            files.map(f -> f.getFileName().toString())
                    .filter(f -> f.endsWith("-mask.png"))
                    .map(f -> f.replace("-mask.png", ""))
                    .sorted()
                    .forEach(names::add);
        }
        try (SegmentMasks masks = open(BUNDLED, "scoring: Sigmoid, temperature: 1")) {
            double iou = iou(
                    masks,
                    names,
                    names.stream().map(n -> SCENES.resolve(n + ".png")).toList(),
                    names.stream().map(n -> SCENES.resolve(n + "-mask.png")).toList());

            assertThat(names).hasSize(12);
            assertThat(iou).isGreaterThan(0.6);
        }
    }

    @Test
    void robotsWhichTheModelHasNeverSeenAreFound() {
        List<String> names = new ArrayList<>();
        for (int i = 0; i < 14; i++) {
            names.add("robot-%02d.png".formatted(i));
        }
        try (SegmentMasks masks = open(BUNDLED, "scoring: Sigmoid, temperature: 1")) {
            double iou = iou(
                    masks,
                    names.stream().map(n -> "a toy").toList(),
                    names.stream()
                            .map(n -> Goldens.BUNDLED.resolve("robot/" + n))
                            .toList(),
                    names.stream().map(ROBOTS::resolve).toList());

            assertThat(iou).isGreaterThan(0.6);
        }
    }

    @Test
    void whatIsNotThereSelectsNothing() {
        Mat grey = new Mat(128, 128, CvType.CV_8UC3, new Scalar(190, 190, 190));
        try (SegmentMasks masks = open(BUNDLED, "scoring: Sigmoid")) {
            assertThat(masks.soft(grey, List.of("octopus")).nothing()).isTrue();
        }
        grey.release();
    }

    @Test
    void edgesAreBlurredAndNothingCountsLessThanBefore() {
        Mat mask = new Mat(100, 100, CvType.CV_8U, new Scalar(13));
        mask.submat(40, 60, 40, 60).setTo(new Scalar(255));

        Mat finished = SoftMask.finish(mask, new Size(2000, 2000), 40);

        assertThat(finished.size()).isEqualTo(new Size(2000, 2000));
        Core.MinMaxLocResult range = Core.minMaxLoc(finished);
        assertThat(range.minVal).isEqualTo(13);
        assertThat(finished.get(1000, 1000)[0]).isGreaterThan(250);
        // A step of 242 at 800, blurred by 40 pixels: half of it at the edge, a sixth (one sigma) beside it.
        assertThat(finished.get(1000, 800)[0]).isBetween(128.0, 142.0);
        assertThat(finished.get(1000, 760)[0]).isBetween(43.0, 60.0);
        finished.release();
    }

    @Test
    void modelsOfAnotherKindAreRefusedInOneSentence() throws IOException {
        Path arrays = Path.of("src/test/resources/onnx-goldens/arrays.onnx");
        Path empty = Files.createDirectory(folder.resolve("empty"));
        Files.writeString(folder.resolve("model.onnx"), "no model");

        assertThatThrownBy(() -> ClipSeg.open(FIELD, arrays))
                .hasMessageContaining("must name a CLIPSeg model as transformers exports it: " + arrays
                        + " must have inputs attention_mask, input_ids, pixel_values and outputs logits");
        assertThatThrownBy(() -> ClipSeg.open(FIELD, empty))
                .hasMessage("`%s` %s must hold an ONNX model (model.onnx), but holds none".formatted(FIELD, empty));
        assertThatThrownBy(() -> ClipSeg.open(FIELD, folder.resolve("model.onnx")))
                .isInstanceOfSatisfying(
                        TrainerException.class, e -> assertThat(e.reason()).isEqualTo(Reason.InvalidConfiguration));
    }
}
