package training.lora.trainer.prepare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Set;
import nu.pattern.OpenCV;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.opencv.core.Mat;
import org.opencv.core.MatOfByte;
import org.opencv.core.MatOfInt;
import org.opencv.imgcodecs.Imgcodecs;
import training.lora.api.DatasetRole;
import training.lora.api.DatasetSpecBuilder;
import training.lora.api.Reason;
import training.lora.trainer.Goldens;
import training.lora.trainer.TrainerException;
import training.lora.trainer.prepare.picture.Photo;

/** Pictures and captions that decoders would let pass though they are broken. */
class DamagedInputTest {
    @TempDir
    Path folder;

    @BeforeAll
    static void natives() {
        OpenCV.loadLocally();
    }

    private static byte[] jpeg(int... settings) {
        return encoded(".jpg", settings);
    }

    private static byte[] encoded(String form, int... settings) {
        Mat picture = Imgcodecs.imread(Goldens.BUNDLED
                .resolve("fluent-style/bat.png")
                .toAbsolutePath()
                .normalize()
                .toString());
        MatOfByte bytes = new MatOfByte();
        Imgcodecs.imencode(form, picture, bytes, new MatOfInt(settings));
        return bytes.toArray();
    }

    private Path file(byte[] bytes) throws IOException {
        return Files.write(folder.resolve("picture.jpg"), bytes);
    }

    @Test
    void wholeJpegIsReadBaselineProgressiveAndWithRestarts() throws IOException {
        assertThat(Photo.decode(file(jpeg()))).isNotNull();
        assertThat(Photo.decode(file(jpeg(Imgcodecs.IMWRITE_JPEG_PROGRESSIVE, 1))))
                .isNotNull();
        assertThat(Photo.decode(file(jpeg(Imgcodecs.IMWRITE_JPEG_RST_INTERVAL, 4))))
                .isNotNull();
    }

    @Test
    void jpegWithTrailingBytesIsRead() throws IOException {
        byte[] whole = jpeg();

        assertThat(Photo.decode(file(Arrays.copyOf(whole, whole.length + 100)))).isNotNull();
    }

    @Test
    void cutJpegIsUnreadableWhereverItIsCut() throws IOException {
        for (int[] settings : new int[][] {{}, {Imgcodecs.IMWRITE_JPEG_PROGRESSIVE, 1}}) {
            byte[] whole = jpeg(settings);
            for (int length = 3; length < whole.length - 1; length += 97) {
                assertThat(Photo.decode(file(Arrays.copyOf(whole, length))))
                        .as("first %d of %d bytes", length, whole.length)
                        .isNull();
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {".png", ".webp", ".bmp", ".tiff"})
    void cutPictureOfAnotherFormIsUnreadableToo(String form) throws IOException {
        byte[] whole = encoded(form);
        Path file = folder.resolve("picture" + form);

        assertThat(Photo.decode(Files.write(file, whole))).isNotNull();
        for (int tenth = 1; tenth < 10; tenth++) {
            byte[] cut = Arrays.copyOf(whole, whole.length * tenth / 10);
            assertThat(Photo.decode(Files.write(file, cut)))
                    .as("%d of %d bytes", cut.length, whole.length)
                    .isNull();
        }
    }

    @Test
    void captionInAnotherEncodingIsNamed() throws IOException {
        file(jpeg());
        Files.write(folder.resolve("picture.txt"), new byte[] {'c', 'a', 'f', (byte) 0xE9});

        assertThatThrownBy(() -> RawDataset.list(
                        DatasetSpecBuilder.builder()
                                .name("main")
                                .uri("pictures")
                                .role(DatasetRole.Train)
                                .repeats(1)
                                .weight(1.0)
                                .build(),
                        DataFolder.list(folder, null, Set.of()),
                        CaptionRulesTest.sidecars()))
                .isInstanceOfSatisfying(
                        TrainerException.class, e -> assertThat(e.reason()).isEqualTo(Reason.InvalidData))
                .hasMessageContaining("picture.txt is not UTF-8 text, nor UTF-16");
    }
}
