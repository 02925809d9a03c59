package training.lora.trainer.prepare;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.stream.Stream;
import nu.pattern.OpenCV;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.opencv.core.Core;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.core.MatOfByte;
import org.opencv.core.MatOfInt;
import org.opencv.core.Scalar;
import org.opencv.core.Size;
import org.opencv.imgcodecs.Imgcodecs;
import org.opencv.imgproc.Imgproc;
import training.lora.trainer.Goldens;
import training.lora.trainer.prepare.picture.Photo;

/** Which of the bundled pictures look alike, as they are and compressed, scaled or mirrored. */
class LookTest {
    private static final Map<String, Mat> PICTURES = new TreeMap<>();

    @BeforeAll
    static void read() throws IOException {
        OpenCV.loadLocally();
        for (String set : List.of("fluent-style", "fluent-cats", "robot")) {
            try (Stream<Path> files = Files.list(Goldens.BUNDLED.resolve(set))) {
                for (Path file :
                        files.filter(f -> f.toString().endsWith(".png")).toList()) {
                    PICTURES.put(
                            set + "/" + file.getFileName(),
                            Objects.requireNonNull(Photo.decode(file)).colour());
                }
            }
        }
    }

    private static Mat encoded(Mat picture, String form, int... settings) {
        MatOfByte bytes = new MatOfByte();
        Imgcodecs.imencode(form, picture, bytes, new MatOfInt(settings));
        return Imgcodecs.imdecode(bytes, Imgcodecs.IMREAD_COLOR);
    }

    private static Mat scaled(Mat picture, double factor, int filter) {
        Mat scaled = new Mat();
        Imgproc.resize(picture, scaled, new Size(), factor, factor, filter);
        return scaled;
    }

    private static Map<String, Mat> copies(Mat picture) {
        Map<String, Mat> copies = new TreeMap<>();
        copies.put("JPEG 60", encoded(picture, ".jpg", Imgcodecs.IMWRITE_JPEG_QUALITY, 60));
        copies.put("WebP 50", encoded(picture, ".webp", Imgcodecs.IMWRITE_WEBP_QUALITY, 50));
        copies.put("half", scaled(picture, 0.5, Imgproc.INTER_AREA));
        copies.put("half, cubic", scaled(picture, 0.5, Imgproc.INTER_CUBIC));
        copies.put("twice", scaled(picture, 2, Imgproc.INTER_LANCZOS4));
        Mat mirrored = new Mat();
        Core.flip(picture, mirrored, 1);
        copies.put("mirrored", mirrored);
        copies.put("mirrored as JPEG 60", encoded(mirrored, ".jpg", Imgcodecs.IMWRITE_JPEG_QUALITY, 60));
        copies.put(
                "half as JPEG 80",
                encoded(scaled(picture, 0.5, Imgproc.INTER_AREA), ".jpg", Imgcodecs.IMWRITE_JPEG_QUALITY, 80));
        return copies;
    }

    @Test
    void copyThatWasCompressedScaledOrMirroredLooksLikeItsPicture() {
        List<String> missed = new ArrayList<>();
        PICTURES.forEach((name, picture) -> copies(picture).forEach((how, copy) -> {
            if (!Look.of(picture).isLike(Look.of(copy))) {
                missed.add(name + " as " + how);
            }
        }));

        assertThat(PICTURES).hasSize(56);
        assertThat(missed).isEmpty();
    }

    @Test
    void noTwoPicturesLookAlikeThoughSomeDifferInTheirEyesAlone() {
        List<String> alike = new ArrayList<>();
        PICTURES.forEach((name, picture) -> PICTURES.forEach((other, second) -> {
            if (name.compareTo(other) < 0 && Look.of(picture).isLike(Look.of(second))) {
                alike.add(name + " and " + other);
            }
        }));

        assertThat(alike).isEmpty();
    }

    @Test
    void pictureThatStandsOnItsHeadIsAnother() {
        Mat bat = Objects.requireNonNull(PICTURES.get("fluent-style/bat.png"));
        Mat upsideDown = new Mat();
        Core.flip(bat, upsideDown, 0);

        assertThat(Look.of(bat).isLike(Look.of(upsideDown))).isFalse();
    }

    @Test
    void picturesThatDifferInColourAloneAreNotAlike() {
        // Both have a brightness of 100.
        Mat red = new Mat(64, 64, CvType.CV_8UC3, new Scalar(60, 65, 184));
        Mat green = new Mat(64, 64, CvType.CV_8UC3, new Scalar(60, 140, 37));

        assertThat(Look.of(red).isLike(Look.of(green))).isFalse();
    }
}
