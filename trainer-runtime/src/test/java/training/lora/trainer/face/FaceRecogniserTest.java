package training.lora.trainer.face;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.Objects;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.opencv.core.Core;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.core.Point;
import org.opencv.core.Scalar;
import org.opencv.imgcodecs.Imgcodecs;
import org.opencv.imgproc.Imgproc;
import training.lora.trainer.Goldens;
import training.lora.trainer.OpenCvLibrary;

/** With a random tiny network of SFace's contract (helper_goldens.py). */
class FaceRecogniserTest {
    private static final String FIELD = "spec.evaluation.faces.uri";
    private static final Path MODELS = Path.of("src/test/resources/helper-goldens");

    static {
        OpenCvLibrary.load();
    }

    private static FaceRecogniser recogniser;
    private static Mat portrait;

    @BeforeAll
    static void open() {
        recogniser = FaceRecogniser.open(faces(), FIELD, MODELS.resolve("sface.onnx"));
        portrait = Imgcodecs.imread("src/test/resources/faces/astronaut.jpg");
    }

    @AfterAll
    static void close() {
        recogniser.close();
        portrait.release();
    }

    private static FaceFinder faces() {
        return FaceFinder.open(FIELD, Goldens.BUNDLED.resolve("faces"));
    }

    private static double cosine(Mat p, Mat q) {
        double[] a = Objects.requireNonNull(recogniser.vector(p));
        double[] b = Objects.requireNonNull(recogniser.vector(q));
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }

    @Test
    void turnedAndShrunkFaceIsAlignedToTheSamePlaces() {
        Mat matrix = Imgproc.getRotationMatrix2D(new Point(160, 160), 25, 0.7);
        Mat turned = new Mat();
        Imgproc.warpAffine(portrait, turned, matrix, portrait.size(), Imgproc.INTER_AREA, Core.BORDER_REPLICATE);
        Mat mirrored = new Mat();
        Core.flip(portrait, mirrored, 1);

        assertThat(cosine(portrait, portrait)).isCloseTo(1, org.assertj.core.data.Offset.offset(1e-6));
        assertThat(cosine(portrait, turned)).isGreaterThan(0.97);
        // Light from the other side is another picture to a network of random weights.
        assertThat(cosine(portrait, mirrored)).isLessThan(cosine(portrait, turned));
        matrix.release();
        turned.release();
        mirrored.release();
    }

    @Test
    void fivePointsLieWhereTheNetworkWasTrainedToFindThem() {
        Point[] from = {new Point(30, 40), new Point(60, 44), new Point(44, 62), new Point(30, 78), new Point(56, 82)};
        Similarity known = Similarity.square(new Point(45, 60), 80, 0.3, 112);
        Point[] to = new Point[5];
        for (int i = 0; i < 5; i++) {
            to[i] = known.apply(from[i]);
        }

        Similarity found = Similarity.between(from, to);

        for (int i = 0; i < 5; i++) {
            assertThat(found.apply(from[i]).x).isCloseTo(to[i].x, org.assertj.core.data.Offset.offset(1e-9));
            assertThat(found.invert(to[i]).y).isCloseTo(from[i].y, org.assertj.core.data.Offset.offset(1e-9));
        }
    }

    @Test
    void pictureWithoutAFaceHasNoVector() {
        Mat grey = new Mat(100, 100, CvType.CV_8UC3, new Scalar(99, 99, 99));

        assertThat(recogniser.vector(grey)).isNull();
        grey.release();
    }

    @Test
    void modelOfAnotherKindIsRefused() {
        try (FaceFinder finder = faces()) {
            assertThatThrownBy(() -> FaceRecogniser.open(finder, FIELD, MODELS.resolve("nsfw.onnx")))
                    .hasMessageContaining("`" + FIELD + "` must name a model that recognises faces")
                    .hasMessageContaining(
                            "one input of the shape [1, 3, 112, 112], but it has input of [-1, 224, 224, 3]");
        }
    }
}
