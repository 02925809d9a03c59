package training.lora.trainer.prepare.picture;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.opencv.core.Core;
import org.opencv.core.Mat;
import org.opencv.core.Scalar;
import org.opencv.imgcodecs.Imgcodecs;
import training.lora.trainer.OpenCvLibrary;

/** Pictures of phones and programs; src/test/goldens/pictures_goldens.py wrote them. */
class FormsTest {
    static {
        OpenCvLibrary.load();
    }

    private static final Path PICTURES = Path.of("src/test/resources/pictures");

    @TempDir
    Path folder;

    private static Photo photo(String name) throws IOException {
        return Objects.requireNonNull(Photo.decode(PICTURES.resolve(name)), name);
    }

    private static Mat golden(String name) {
        return Imgcodecs.imread(PICTURES.resolve(name).toString(), Imgcodecs.IMREAD_COLOR);
    }

    /** The greatest difference between two pictures, of 256 levels. */
    private static double difference(Mat a, Mat b) {
        Mat difference = new Mat();
        Core.absdiff(a, b, difference);
        return Core.norm(difference, Core.NORM_INF);
    }

    @ParameterizedTest
    @CsvSource({
        "display-p3.png, display-p3-srgb.png",
        "adobe-rgb.png, adobe-rgb-srgb.png",
        "table.png, table-srgb.png",
        "grey-gamma.png, grey-gamma-srgb.png",
        "display-p3.jpg, display-p3-jpeg-srgb.png",
        "adobe-rgb.tif, adobe-rgb-srgb.png",
        "lut16.png, lut16-srgb.png",
        "lut8.png, lut8-srgb.png",
        "a-to-b.png, a-to-b-srgb.png"
    })
    void coloursOfAProfileBecomeThoseOfSrgbAsWithLittlecms(String file, String golden) throws IOException {
        try (Photo photo = photo(file)) {
            assertThat(difference(photo.colour(), golden(golden))).isLessThanOrEqualTo(2);
        }
    }

    /** An ink may be a level off, which in the darkest colours is more. */
    @ParameterizedTest
    @ValueSource(strings = {"cmyk", "ycck"})
    void inksOfAProfileBecomeSrgbAsWithLittlecms(String name) throws IOException {
        Mat far = new Mat();
        try (Photo photo = photo(name + ".jpg")) {
            Core.absdiff(photo.colour(), golden(name + "-srgb.png"), far);
        }
        Mat over = new Mat();
        Core.compare(far.reshape(1), new Scalar(2), over, Core.CMP_GT);

        assertThat(Core.countNonZero(over) / (double) over.total()).isLessThan(0.002);
        assertThat(Core.norm(far, Core.NORM_INF)).isLessThanOrEqualTo(5);
        assertThat(Core.mean(far).val[0]).isLessThan(0.5);
    }

    @ParameterizedTest
    @ValueSource(strings = {"heic", "avif"})
    void picturesOfPhonesAreReadByLibheif(String form) throws IOException {
        assumeTrue(Heif.available(), "libheif is not installed");
        try (Photo whole = photo("whole." + form);
                Photo alpha = photo("alpha." + form)) {
            assertThat(difference(whole.colour(), golden("whole.png"))).isLessThan(30);
            assertThat(Core.mean(whole.colour()).val[0])
                    .isCloseTo(Core.mean(golden("whole.png")).val[0], org.assertj.core.data.Offset.offset(2.0));
            assertThat(alpha.alpha()).isNotNull();
            assertThat(Objects.requireNonNull(alpha.alpha()).get(16, 8)[0]).isLessThan(5);
            assertThat(alpha.colour().get(16, 8)).containsExactly(255, 255, 255);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"webp", "png", "gif"})
    void animationIsItsFirstPicture(String form) throws IOException {
        try (Photo photo = photo("animated." + form);
                Photo still = photo("whole.png")) {
            String first = form.equals("gif") ? "still-gif.png" : "whole.png";
            assertThat(difference(photo.colour(), golden(first))).isZero();
            assertThat(photo.animated()).isTrue();
            assertThat(still.animated()).isFalse();
        }
    }

    @Test
    void gifIsReadRowByRowAndItsTransparentPartsAreTold() throws Exception {
        try (Photo still = photo("still.gif");
                Photo part = photo("transparent.gif")) {
            assertThat(difference(still.colour(), golden("still-gif.png"))).isZero();
            assertThat(still.animated()).isFalse();
            assertThat(still.alpha()).isNull();
            assertThat(Objects.requireNonNull(part.alpha()).get(0, 0)).containsExactly(0);
            assertThat(part.alpha().get(10, 10)).containsExactly(255);
            assertThat(part.colour().get(10, 10)).containsExactly(40, 30, 200);
            assertThat(part.colour().get(10, 20)).containsExactly(90, 200, 10);
            assertThat(part.colour().get(0, 0)).containsExactly(255, 255, 255);
        }
        byte[] file = Files.readAllBytes(PICTURES.resolve("still.gif"));
        unreadable(Arrays.copyOf(file, file.length / 2), "damaged or cut off, or an odd kind of GIF");
    }

    @Test
    void gifThatIsSaidToBeLargerThanItsBytesCanFillIsDamagedBeforeMemoryIsAskedFor() throws Exception {
        ByteBuffer file = ByteBuffer.wrap(Files.readAllBytes(PICTURES.resolve("still.gif")))
                .order(ByteOrder.LITTLE_ENDIAN);
        int picture = 13 + 3 * (2 << (file.get(10) & 7));
        while (file.get(picture) != 0x2C) {
            picture++;
        }
        file.putShort(picture + 5, (short) 9000).putShort(picture + 7, (short) 9000);
        unreadable(file.array(), "damaged or cut off, or an odd kind of GIF");

        file.putShort(6, (short) 9000).putShort(8, (short) 9000);
        unreadable(file.array(), "damaged or cut off, or an odd kind of GIF");
    }

    @Test
    void jpegOfInksWithAShortHeaderIsUnreadable() throws Exception {
        byte[] file = Files.readAllBytes(PICTURES.resolve("cmyk.jpg"));
        for (int i = 0; i < file.length - 8; i++) {
            if ((file[i] & 0xff) == 0xFF && (file[i + 1] & 0xff) == 0xC0) {
                file[i + 3] = 14;
            }
        }
        unreadable(file, "");
    }

    /** @param at where the tag's table begins */
    private static ByteBuffer profile(String space, String type, int at) {
        ByteBuffer profile = ByteBuffer.allocate(1024);
        profile.put(16, space.getBytes(StandardCharsets.US_ASCII)).put(20, "Lab ".getBytes(StandardCharsets.US_ASCII));
        profile.putInt(128, 1).put(132, "A2B0".getBytes(StandardCharsets.US_ASCII));
        profile.putInt(136, at).putInt(140, 1024 - at).put(at, type.getBytes(StandardCharsets.US_ASCII));
        return profile.put(at + 8, (byte) space.trim().length()).put(at + 9, (byte) 3);
    }

    @Test
    void tablesThatTheirProfileDoesNotHoldAreNone() {
        int at = 144;
        ByteBuffer precision = profile("RGB ", "mAB ", at);
        precision.putInt(at + 12, 32).putInt(at + 24, 48);
        precision.put(at + 48, (byte) 255).put(at + 49, (byte) 255).put(at + 50, (byte) 255);
        ByteBuffer huge = profile("CMYK", "mft2", at).put(at + 10, (byte) 255);
        huge.putShort(at + 48, (short) 2).putShort(at + 50, (short) 2);
        ByteBuffer noCurve = profile("RGB ", "mft2", at).put(at + 10, (byte) 2);
        noCurve.putShort(at + 48, (short) 2).putShort(at + 50, (short) 0);

        for (ByteBuffer profile : new ByteBuffer[] {precision, huge, noCurve}) {
            assertThat(TableProfile.of(profile.array())).isNull();
        }
        assertThat(TableProfile.of(noCurve.putShort(at + 50, (short) 2).array()))
                .isNotNull();
    }

    @Test
    void transparentPartsHaveTheChosenColour() throws Exception {
        PictureOptions green = new PictureOptions("#00ff80", 1 << 20);

        try (Photo photo = Photo.read(PICTURES.resolve("alpha.png"), green)) {
            assertThat(photo.colour().get(16, 8)).containsExactly(128, 255, 0);
            assertThat(photo.colour().get(16, 40))
                    .containsExactly(golden("whole.png").get(16, 40));
        }
    }

    private void unreadable(byte[] file, String problem) throws IOException {
        Path path = Files.write(folder.resolve("picture.png"), file);

        assertThatThrownBy(() -> Photo.read(path, PictureOptions.DEFAULT))
                .isInstanceOf(UnreadablePictureException.class)
                .hasMessageContaining(problem);
    }

    @Test
    void aTiffOfInksIsNamedWithWhatConvertsIt() throws IOException {
        unreadable(
                Files.readAllBytes(PICTURES.resolve("cmyk.tif")),
                "can't be decoded: TIFF of inks (CMYK), which must become one of RGB: `vips icc_transform FILE FILE.png srgb`");
    }

    @Test
    void hugePictureIsRefusedByItsHeader() throws IOException {
        byte[] png = Files.readAllBytes(PICTURES.resolve("whole.png"));
        ByteBuffer.wrap(png).putInt(16, 60_000).putInt(20, 60_000);
        unreadable(png, "has 60000 x 60000 pixels, more than `spec.preparation.maxPixels` allows");

        byte[] jpeg = Files.readAllBytes(PICTURES.resolve("display-p3.jpg"));
        for (int i = 0; i < jpeg.length - 8; i++) {
            if ((jpeg[i] & 0xff) == 0xFF && (jpeg[i + 1] & 0xff) == 0xC0) {
                ByteBuffer.wrap(jpeg).putShort(i + 5, (short) 60_000).putShort(i + 7, (short) 60_000);
            }
        }
        unreadable(jpeg, "has 60000 x 60000 pixels");
    }

    @Test
    void whatIsWrongWithAFileIsSaid() throws IOException {
        byte[] jpeg = Files.readAllBytes(PICTURES.resolve("display-p3.jpg"));
        unreadable(new byte[0], "is empty");
        unreadable("<html>".getBytes(StandardCharsets.UTF_8), "is no picture, whatever it is called");
        unreadable(Arrays.copyOf(jpeg, jpeg.length / 2), "is cut off: the end of the JPEG is missing");
        unreadable("8BPS\0\1".getBytes(StandardCharsets.UTF_8), "can't be decoded: Photoshop");
    }
}
