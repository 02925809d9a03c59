package training.lora.trainer.prepare;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.opencv.core.Core;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.core.MatOfByte;
import org.opencv.core.Scalar;
import org.opencv.imgcodecs.Imgcodecs;
import training.lora.api.DatasetRole;
import training.lora.api.DatasetSpec;
import training.lora.api.DatasetSpecBuilder;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.files.FileDigests;
import training.lora.trainer.prepare.mask.FileMasks;
import training.lora.trainer.prepare.picture.Item;
import training.lora.trainer.prepare.picture.Photo;
import training.lora.trainer.prepare.place.CentreCrop;
import training.lora.trainer.prepare.place.Place;
import training.lora.trainer.tensor.SafeTensors;

class PhotoTest extends WrittenPhotos {
    private static final int WIDTH = 48;

    private static final int HEIGHT = 32;

    /** Of the upright picture's corners: top left, top right, bottom left, bottom right; in BGR. */
    private static final int[][] CORNERS = {{0, 0, 255}, {0, 255, 0}, {255, 0, 0}, {0, 255, 255}};

    /** As a camera stores the picture, so that {@code orientation} makes it upright. */
    private static Mat stored(int orientation, boolean alpha) {
        // For each orientation, which corner of the upright picture is at the stored picture's four.
        int[][] order = {
            {0, 1, 2, 3},
            {1, 0, 3, 2},
            {3, 2, 1, 0},
            {2, 3, 0, 1},
            {0, 2, 1, 3},
            {1, 3, 0, 2},
            {3, 1, 2, 0},
            {2, 0, 3, 1}
        };
        boolean turned = orientation > 4;
        int width = turned ? HEIGHT : WIDTH;
        int height = turned ? WIDTH : HEIGHT;
        Mat picture = new Mat(height, width, alpha ? CvType.CV_8UC4 : CvType.CV_8UC3);
        for (int i = 0; i < 4; i++) {
            int[] colour = CORNERS[order[orientation - 1][i]];
            picture.submat(i / 2 * height / 2, (i / 2 + 1) * height / 2, i % 2 * width / 2, (i % 2 + 1) * width / 2)
                    .setTo(new Scalar(colour[0], colour[1], colour[2], 255));
        }
        return picture;
    }

    private static byte[] exif(int orientation, ByteOrder order) {
        return ByteBuffer.allocate(26)
                .order(order)
                .put((order == ByteOrder.BIG_ENDIAN ? "MM" : "II").getBytes(StandardCharsets.US_ASCII))
                .putShort((short) 42)
                .putInt(8)
                .putShort((short) 1)
                .putShort((short) 274)
                .putShort((short) 3)
                .putInt(1)
                .putShort((short) orientation)
                .putShort((short) 0)
                .putInt(0)
                .array();
    }

    private static byte[] jpegWith(byte[] exif, byte[] jpeg) {
        byte[] head = ByteBuffer.allocate(10)
                .putShort((short) 0xFFE1)
                .putShort((short) (exif.length + 8))
                .put("Exif\0\0".getBytes(StandardCharsets.US_ASCII))
                .array();
        return join(Arrays.copyOf(jpeg, 2), head, exif, Arrays.copyOfRange(jpeg, 2, jpeg.length));
    }

    /** @param atEnd whether the chunk stands after the pixels, where some programs append it */
    private static byte[] pngWith(byte[] exif, byte[] png, boolean atEnd) {
        int place = atEnd ? png.length - 12 : 33;
        return join(Arrays.copyOf(png, place), chunk("eXIf", exif), Arrays.copyOfRange(png, place, png.length));
    }

    private static byte[] riff(String type, byte[] data) {
        return ByteBuffer.allocate(8 + data.length + (data.length & 1))
                .order(ByteOrder.LITTLE_ENDIAN)
                .put(type.getBytes(StandardCharsets.US_ASCII))
                .putInt(data.length)
                .put(data)
                .array();
    }

    private static byte[] webpWith(byte[] exif, byte[] webp, boolean alpha) {
        byte[] extended = ByteBuffer.allocate(10)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(0x08 | (alpha ? 0x10 : 0))
                .put(new byte[6])
                .array();
        ByteBuffer.wrap(extended)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(4, canvas(webp, true) - 1)
                .putShort(7, (short) (canvas(webp, false) - 1));
        // An encoder may have written such a container already: what is left are the chunks of the picture itself.
        byte[] chunks = Arrays.copyOfRange(webp, 12, webp.length);
        byte[] picture = new String(chunks, 0, 4, StandardCharsets.US_ASCII).equals("VP8X")
                ? Arrays.copyOfRange(chunks, 18, chunks.length)
                : chunks;
        byte[] body =
                join("WEBP".getBytes(StandardCharsets.US_ASCII), riff("VP8X", extended), picture, riff("EXIF", exif));
        return riff("RIFF", body);
    }

    private static int canvas(byte[] webp, boolean width) {
        Mat decoded = Imgcodecs.imdecode(new MatOfByte(webp), Imgcodecs.IMREAD_UNCHANGED);
        return width ? decoded.width() : decoded.height();
    }

    private static byte[] withOrientation(String form, int orientation, boolean alpha) {
        Mat stored = stored(orientation, alpha);
        byte[] exif = exif(orientation, orientation % 2 == 0 ? ByteOrder.BIG_ENDIAN : ByteOrder.LITTLE_ENDIAN);
        return switch (form) {
            case "jpg" -> jpegWith(exif, encoded(".jpg", stored, Imgcodecs.IMWRITE_JPEG_QUALITY, 100));
            case "png" -> pngWith(exif, encoded(".png", stored), false);
            case "png, at its end" -> pngWith(exif, encoded(".png", stored), true);
            case "webp" -> webpWith(exif, encoded(".webp", stored, Imgcodecs.IMWRITE_WEBP_QUALITY, 101), alpha);
            case "webp, signed" ->
                webpWith(
                        join("Exif\0\0".getBytes(StandardCharsets.US_ASCII), exif),
                        encoded(".webp", stored, Imgcodecs.IMWRITE_WEBP_QUALITY, 101),
                        alpha);
            default -> new Tiff(stored).orientation(orientation).bytes();
        };
    }

    static Stream<Arguments> forms() {
        return Stream.of("jpg", "png", "png, at its end", "webp", "webp, signed", "tiff")
                .flatMap(form -> Stream.of(false, true)
                        .filter(alpha -> !alpha || !form.equals("jpg"))
                        .map(alpha -> Arguments.of(form, alpha)));
    }

    @ParameterizedTest
    @MethodSource("forms")
    void pictureIsUprightByItsOrientationInEveryFormWithAndWithoutAlpha(String form, boolean alpha) throws IOException {
        for (int orientation = 1; orientation <= 8; orientation++) {
            try (Photo photo = photo(withOrientation(form, orientation, alpha))) {
                Mat picture = photo.colour();
                assertThat(List.of(photo.width(), photo.height()))
                        .as("size at orientation %d", orientation)
                        .containsExactly(WIDTH, HEIGHT);
                assertThat(photo.alpha() != null).isEqualTo(alpha);
                for (int i = 0; i < 4; i++) {
                    int[] pixel = at(picture, i / 2 * (HEIGHT - 1), i % 2 * (WIDTH - 1));
                    for (int c = 0; c < 3; c++) {
                        // JPEG's colours are off by a few.
                        assertThat(pixel[c])
                                .as("channel %d of corner %d at orientation %d", c, i, orientation)
                                .isBetween(CORNERS[i][c] - 12, CORNERS[i][c] + 12);
                    }
                }
            }
        }
    }

    @Test
    void alphaIsTurnedWithItsPicture() throws IOException {
        Mat stored = new Mat(HEIGHT, WIDTH, CvType.CV_8UC4, new Scalar(10, 20, 30, 255));
        stored.submat(0, HEIGHT, 0, WIDTH / 2).setTo(new Scalar(10, 20, 30, 0));

        // Orientation 6 turns it to the right, so that its left comes to the top.
        Photo photo = photo(pngWith(exif(6, ByteOrder.BIG_ENDIAN), encoded(".png", stored), false));

        Mat alpha = Objects.requireNonNull(photo.alpha());
        assertThat(at(alpha, 0, 0)).containsExactly(0);
        assertThat(at(alpha, WIDTH - 1, 0)).containsExactly(255);
        assertThat(at(photo.colour(), 0, 0)).containsExactly(255, 255, 255);
        assertThat(at(photo.colour(), WIDTH - 1, 0)).containsExactly(10, 20, 30);
    }

    @Test
    void maskIsTheShadeOfWhatIsPainted() throws IOException {
        Mat painted = new Mat(8, 8, CvType.CV_8UC4, new Scalar(255, 255, 255, 0));
        painted.submat(0, 4, 0, 8).setTo(new Scalar(255, 255, 255, 255));
        painted.submat(0, 2, 0, 8).setTo(new Scalar(GREY, GREY, GREY, 255));

        Mat mask = photo(encoded(".png", painted)).mask();

        assertThat(at(mask, 0, 0)).containsExactly(GREY);
        assertThat(at(mask, 3, 0)).containsExactly(255);
        assertThat(at(mask, 7, 0)).containsExactly(0);
    }

    @ParameterizedTest
    @ValueSource(strings = {".png", ".jpg", ".webp", ".bmp", ".tiff", ".jp2", ".ppm", ".sr"})
    void pictureIsKnownByItsContentWhateverItIsCalled(String form) throws IOException {
        byte[] bytes = encoded(form, stored(1, false));
        List<Path> files = new ArrayList<>();
        for (String name : List.of("picture", "picture.txt", "picture.gif", "🐱 и кошка.png")) {
            files.add(Files.write(folder.resolve(name), bytes));
        }

        for (Path file : files) {
            Photo photo = Objects.requireNonNull(Photo.decode(file), file::toString);
            assertThat(List.of(photo.width(), photo.height())).containsExactly(WIDTH, HEIGHT);
        }
    }

    @Test
    void fileOfManyBlocksIsReadWhole() throws IOException {
        Mat noise = new Mat(400, 500, CvType.CV_8UC3);
        Core.randu(noise, 0, 256);
        byte[] bytes = encoded(".png", noise);

        Mat difference = new Mat();
        Core.absdiff(photo(bytes).colour(), noise, difference);

        assertThat(bytes.length).isGreaterThan(500_000);
        assertThat(Core.norm(difference, Core.NORM_INF)).isZero();
    }

    @Test
    void maskIsTurnedByItsOwnOrientation() throws Exception {
        Mat picture = new Mat(32, 64, CvType.CV_8UC3, new Scalar(1, 2, 3));
        // Upright, its left half is white.
        Mat mask = new Mat(64, 32, CvType.CV_8U, new Scalar(0));
        mask.submat(32, 64, 0, 32).setTo(new Scalar(255));
        Path file = Files.write(
                folder.resolve("mask"), pngWith(exif(6, ByteOrder.BIG_ENDIAN), encoded(".png", mask), false));
        Mat wide = new Mat();
        Core.rotate(mask, wide, Core.ROTATE_90_CLOCKWISE);
        assertThat(at(wide, 0, 0)).containsExactly(255);
        DatasetSpec dataset = DatasetSpecBuilder.builder()
                .name("main")
                .uri("pictures")
                .role(DatasetRole.Train)
                .repeats(1)
                .weight(1.0)
                .build();
        Item item = new Item(dataset, "main/a.png", folder.resolve("a.png"), "", null, null, null, 0, file);

        Photo photo = photo(encoded(".png", picture));
        Mat whole = new FileMasks(FileDigests.computed()).mask(item, photo);
        Place place = new CentreCrop(16).place(photo.width(), photo.height());
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            LatentMasks.write(List.of(LatentMasks.of(whole, place, 8)), folder, manager);
        }

        try (SafeTensors written = SafeTensors.open(folder.resolve(PreparedDataset.MASKS));
                NDManager manager = NDManager.newBaseManager("PyTorch")) {
            assertThat(written.read("mask.0", manager).toFloatArray()).containsExactly(1, 0, 1, 0);
        }
    }
}
