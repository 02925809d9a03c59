package training.lora.trainer.prepare;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.core.Scalar;
import org.opencv.imgcodecs.Imgcodecs;
import training.lora.trainer.prepare.picture.Photo;

/** Transparency and numbers of more or fewer than eight bits. */
class PhotoColourTest extends WrittenPhotos {
    static Stream<Arguments> colourKeys() {
        // Two pixels each, of which the second is the key's.
        return Stream.of(
                Arguments.of("grey, 1 bit", 1, 0, bytes(0b01000000), null, bytes(0, 1), 0),
                Arguments.of("grey, 2 bits", 2, 0, bytes(0b01100000), null, bytes(0, 2), 85),
                Arguments.of("grey, 4 bits", 4, 0, bytes(0x3A), null, bytes(0, 10), 51),
                Arguments.of("grey, 8 bits", 8, 0, bytes(GREY, 7), null, bytes(0, 7), GREY),
                Arguments.of("grey, 16 bits", 16, 0, bytes(GREY, GREY, 7, 9), null, bytes(7, 9), GREY),
                Arguments.of("grey, 16 bits, key in high byte only", 16, 0, bytes(7, 7, 7, 9), null, bytes(7, 9), 7),
                Arguments.of(
                        "RGB, 8 bits", 8, 2, bytes(GREY, GREY, GREY, 1, 2, 3), null, bytes(0, 1, 0, 2, 0, 3), GREY),
                Arguments.of(
                        "RGB, 16 bits",
                        16,
                        2,
                        bytes(GREY, GREY, GREY, GREY, GREY, GREY, 1, 1, 2, 2, 3, 3),
                        null,
                        bytes(1, 1, 2, 2, 3, 3),
                        GREY),
                Arguments.of("palette", 8, 3, bytes(0, 1), bytes(GREY, GREY, GREY, 1, 2, 3), bytes(255, 0), GREY));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("colourKeys")
    void colourThatStandsForTransparentIsTransparent(
            String name, int bits, int type, byte[] row, byte @Nullable [] palette, byte[] key, int shade)
            throws IOException {
        Photo photo = photo(png(bits, type, row, palette, key, 2));

        Mat alpha = Objects.requireNonNull(photo.alpha());
        assertThat(at(alpha, 0, 0)).containsExactly(255);
        assertThat(at(alpha, 0, 1)).containsExactly(0);
        assertThat(at(photo.colour(), 0, 0)).containsExactly(shade, shade, shade);
        assertThat(at(photo.colour(), 0, 1)).containsExactly(255, 255, 255);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"png", "webp", "tiff", "16-bit png", "16-bit tiff", "associated tiff", "associated 16-bit tiff"})
    void halfTransparentColourIsHalfWhite(String form) throws IOException {
        // Red of which 128 of 255 are there: 100 * 128 / 255 + 127 and so on.
        Mat picture = new Mat(8, 8, CvType.CV_8UC4, new Scalar(20, 60, 100, 128));
        Mat wide = new Mat();
        picture.convertTo(wide, CvType.CV_16U, 257);
        Mat multiplied = new Mat(8, 8, CvType.CV_8UC4, new Scalar(10, 30, 50, 128));
        Mat wideMultiplied = new Mat();
        multiplied.convertTo(wideMultiplied, CvType.CV_16U, 257);

        Photo photo = photo(
                switch (form) {
                    case "png" -> encoded(".png", picture);
                    case "webp" -> encoded(".webp", picture, Imgcodecs.IMWRITE_WEBP_QUALITY, 101);
                    case "tiff" -> new Tiff(picture).bytes();
                    case "16-bit png" -> encoded(".png", wide);
                    case "16-bit tiff" -> new Tiff(wide).bytes();
                    case "associated tiff" -> new Tiff(multiplied).extra(1).bytes();
                    default -> new Tiff(wideMultiplied).extra(1).bytes();
                });

        assertThat(at(photo.colour(), 3, 3)).containsExactly(137, 157, 177);
        assertThat(at(Objects.requireNonNull(photo.alpha()), 3, 3)).containsExactly(128);
    }

    @Test
    void fourthChannelOfATiffWithoutMeaningIsNoTransparency() throws IOException {
        Photo photo = photo(new Tiff(new Mat(8, 8, CvType.CV_8UC4, new Scalar(20, 60, 100, 0)))
                .extra(0)
                .bytes());

        assertThat(photo.alpha()).isNull();
        assertThat(at(photo.colour(), 3, 3)).containsExactly(20, 60, 100);
    }

    @Test
    void bitmapWithUnusedFourthBytesIsOpaque() throws IOException {
        byte[] header = ByteBuffer.allocate(58)
                .order(ByteOrder.LITTLE_ENDIAN)
                .put((byte) 'B')
                .put((byte) 'M')
                .putInt(58)
                .putInt(0)
                .putInt(54)
                .putInt(40)
                .putInt(1)
                .putInt(1)
                .putShort((short) 1)
                .putShort((short) 32)
                .putInt(34, 4)
                .put(54, bytes(20, 60, 100, 0))
                .array();

        assertThat(at(photo(header).colour(), 0, 0)).containsExactly(20, 60, 100);
    }

    @Test
    void pictureOfManyBitsIsRoundedToEight() throws IOException {
        Mat wide = new Mat(8, 8, CvType.CV_16UC3, new Scalar(255 * 257, 100 * 257 + 128, 100 * 257 + 129));

        assertThat(at(photo(encoded(".png", wide)).colour(), 0, 0)).containsExactly(255, 100, 101);
        assertThat(at(photo(encoded(".tiff", wide)).colour(), 0, 0)).containsExactly(255, 100, 101);
    }

    @Test
    void whiteIsZeroWhereATiffSaysSo() throws IOException {
        for (int type : new int[] {CvType.CV_8U, CvType.CV_16U}) {
            Mat black = new Mat(8, 8, type, new Scalar(0));

            assertThat(at(photo(new Tiff(black).photometric(0).bytes()).colour(), 0, 0))
                    .containsExactly(255, 255, 255);
        }
    }
}
