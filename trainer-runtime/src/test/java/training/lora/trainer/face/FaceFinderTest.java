package training.lora.trainer.face;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.opencv.core.Core;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.core.Point;
import org.opencv.core.Rect;
import org.opencv.core.Scalar;
import org.opencv.core.Size;
import org.opencv.imgcodecs.Imgcodecs;
import org.opencv.imgproc.Imgproc;
import training.lora.trainer.Goldens;
import training.lora.trainer.OpenCvLibrary;

/** On a portrait in the public domain, which is turned, shrunk and cut. */
class FaceFinderTest {
    private static final String FIELD = "spec.preparation.mask.model.uri";

    /** The middle of the astronaut's face in the portrait of 320 pixels, and half of her face's height. */
    private static final Point FACE = new Point(140, 70);

    static {
        OpenCvLibrary.load();
    }

    private static FaceFinder finder;
    private static Mat portrait;

    @TempDir
    Path folder;

    @BeforeAll
    static void open() {
        finder = FaceFinder.open(FIELD, Goldens.BUNDLED.resolve("faces"));
        portrait = Imgcodecs.imread("src/test/resources/faces/astronaut.jpg");
    }

    @AfterAll
    static void close() {
        finder.close();
        portrait.release();
    }

    private static Point middle(Outline outline) {
        Point sum = new Point();
        for (Point p : outline.oval()) {
            sum.x += p.x / outline.oval().length;
            sum.y += p.y / outline.oval().length;
        }
        return sum;
    }

    private static double distance(Point p, Point q) {
        return Math.hypot(p.x - q.x, p.y - q.y);
    }

    private static Mat ground(int width, int height) {
        return new Mat(height, width, CvType.CV_8UC3, new Scalar(120, 140, 160));
    }

    private static void paste(Mat what, Mat into, int x, int y) {
        what.copyTo(into.submat(new Rect(x, y, what.width(), what.height())));
    }

    private static Mat scaled(double scale) {
        Mat small = new Mat();
        Imgproc.resize(portrait, small, new Size(), scale, scale, Imgproc.INTER_AREA);
        return small;
    }

    @Test
    void faceOfThePortraitHasItsOval() {
        List<Outline> found = finder.find(portrait);

        assertThat(found).hasSize(1);
        Outline face = found.get(0);
        assertThat(face.face().score()).isGreaterThan(0.8);
        assertThat(distance(middle(face), FACE)).isLessThan(8);
        Point[] oval = face.oval();
        assertThat(oval).hasSize(36);
        // From the brow to the chin, and from ear to ear.
        assertThat(oval[18].y - oval[0].y).isBetween(60.0, 90.0);
        assertThat(oval[9].x - oval[27].x).isBetween(40.0, 70.0);
    }

    @ParameterizedTest
    @ValueSource(ints = {-40, -20, 20, 40, 90, 180})
    void turnedFaceIsFoundWhereItWasTurnedTo(int degrees) {
        Mat matrix = Imgproc.getRotationMatrix2D(new Point(160, 160), degrees, 1);
        Mat turned = new Mat();
        Imgproc.warpAffine(portrait, turned, matrix, portrait.size(), Imgproc.INTER_LINEAR, Core.BORDER_REPLICATE);
        double angle = Math.toRadians(-degrees);
        Point there = new Point(
                160 + Math.cos(angle) * (FACE.x - 160) - Math.sin(angle) * (FACE.y - 160),
                160 + Math.sin(angle) * (FACE.x - 160) + Math.cos(angle) * (FACE.y - 160));

        List<Outline> found = finder.find(turned);

        assertThat(found).hasSize(1);
        assertThat(distance(middle(found.get(0)), there)).isLessThan(12);
        matrix.release();
        turned.release();
    }

    @Test
    void smallFaceInALargePictureIsFound() {
        Mat large = ground(1600, 1200);
        Mat small = scaled(0.6);
        paste(small, large, 1100, 700);

        List<Outline> found = finder.find(large);

        assertThat(found).hasSize(1);
        assertThat(distance(middle(found.get(0)), new Point(1100 + 0.6 * FACE.x, 700 + 0.6 * FACE.y)))
                .isLessThan(6);
        large.release();
        small.release();
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 120, 105})
    void faceAtTheEdgeIsFound(int left) {
        Mat cut = portrait.submat(new Rect(left, 25, 320 - left, 250)).clone();

        List<Outline> found = finder.find(cut);

        assertThat(found).isNotEmpty();
        assertThat(distance(middle(found.get(0)), new Point(FACE.x - left, FACE.y - 25)))
                .isLessThan(12);
        cut.release();
    }

    @Test
    void ofSeveralTheLargestIsTheFirst() {
        Mat two = ground(700, 400);
        Mat half = scaled(0.6);
        paste(half, two, 20, 20);
        paste(portrait, two, 360, 60);

        List<Outline> found = finder.find(two);

        assertThat(found).hasSize(2);
        assertThat(distance(middle(found.get(0)), new Point(360 + FACE.x, 60 + FACE.y)))
                .isLessThan(12);
        assertThat(distance(middle(found.get(1)), new Point(20 + 0.6 * FACE.x, 20 + 0.6 * FACE.y)))
                .isLessThan(12);
        two.release();
        half.release();
    }

    @Test
    void pictureWithoutAFaceHasNone() {
        Mat legs = portrait.submat(new Rect(0, 150, 320, 170)).clone();
        Mat grey = ground(300, 200);

        assertThat(finder.find(grey)).isEmpty();
        assertThat(finder.find(legs)).isEmpty();
        legs.release();
        grey.release();
    }

    @Test
    void foldersOfOtherModelsAreRefused() throws IOException {
        assertThatThrownBy(() -> FaceFinder.open(FIELD, folder))
                .hasMessage(
                        "`%s` %s must hold MediaPipe's face_detection_full_range.onnx and face_landmark.onnx, but face_detection_full_range.onnx is missing"
                                .formatted(FIELD, folder));
        Path faces = Goldens.BUNDLED.resolve("faces");
        Files.copy(faces.resolve(FaceFiles.DETECTOR), folder.resolve(FaceFiles.MESH));
        Files.copy(faces.resolve(FaceFiles.MESH), folder.resolve(FaceFiles.DETECTOR));
        assertThatThrownBy(() -> FaceFinder.open(FIELD, folder))
                .hasMessageContaining("must name MediaPipe's face detection (full range): ")
                .hasMessageContaining("an output of 36864 numbers, but it has conv2d_20, conv2d_30");
    }
}
