package training.lora.trainer.prepare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import nu.pattern.OpenCV;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.opencv.core.CvType;
import org.opencv.core.Mat;
import org.opencv.core.MatOfByte;
import org.opencv.core.Scalar;
import org.opencv.imgcodecs.Imgcodecs;
import training.lora.api.DatasetRole;
import training.lora.api.DatasetSpecBuilder;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.prepare.picture.Item;
import training.lora.trainer.prepare.picture.Photo;

/** Which files of a data set are its pictures, captions and masks, and what is said of the others. */
class RawDatasetTest {
    @TempDir
    Path folder;

    @BeforeAll
    static void natives() {
        OpenCV.loadLocally();
    }

    private static byte[] picture(String form) {
        MatOfByte bytes = new MatOfByte();
        Imgcodecs.imencode(form, new Mat(64, 64, CvType.CV_8UC3, new Scalar(1, 2, 3)), bytes);
        return bytes.toArray();
    }

    private void write(String name, byte[] bytes) throws IOException {
        Path file = folder.resolve(name);
        Files.createDirectories(file.getParent());
        Files.write(file, bytes);
    }

    private void text(String name) throws IOException {
        write(name, ("caption of " + name).getBytes(StandardCharsets.UTF_8));
    }

    private void pictures(String form, String... stems) throws IOException {
        for (String stem : stems) {
            write(stem + form, picture(form));
            text(stem + ".txt");
        }
    }

    /** The first bytes of a file in that format. */
    private static byte[] head(String format) {
        String head =
                switch (format) {
                    case "GIF" -> "GIF89a";
                    case "AVIF" -> "\0\0\0\u0018ftypavif\0\0\0\0mif1avif";
                    case "AVIF of mif1" -> "\0\0\0\u0018ftypmif1\0\0\0\0mif1avif";
                    case "HEIC" -> "\0\0\0\u0018ftypheic\0\0\0\0mif1heic";
                    case "HEIC of mif1" -> "\0\0\0\u0018ftypmif1\0\0\0\0mif1heic";
                    case "JPEG XL" -> "\u00ff\n\u00fa\u001f";
                    case "Photoshop" -> "8BPS\0\u0001";
                    case "animated WebP" -> "RIFF\0\0\0\0WEBPVP8X\n\0\0\0\u0002\0\0\0";
                    // A first picture of reduced resolution: field 254 is 1.
                    case "camera raw" -> "II*\0\b\0\0\0\u0001\0\u00fe\0\u0004\0\u0001\0\0\0\u0001\0\0\0\0\0\0\0";
                    default -> throw new IllegalArgumentException(format);
                };
        return head.getBytes(StandardCharsets.ISO_8859_1);
    }

    private RawDataset.Listed list() throws IOException {
        return RawDataset.list(
                DatasetSpecBuilder.builder()
                        .name("main")
                        .uri("pictures")
                        .role(DatasetRole.Train)
                        .repeats(1)
                        .weight(1.0)
                        .build(),
                DataFolder.list(folder, null, Set.of()),
                CaptionRulesTest.sidecars());
    }

    @Test
    void textThatDiffersInCaseAloneIsThePicturesWhereNoOtherIsMeant() throws IOException {
        write("IMG_1.PNG", picture(".png"));
        text("img_1.txt");
        write("a.png", picture(".png"));
        text("a.txt");
        write("A.jpg", picture(".jpg"));
        text("A.TXT");

        assertThat(list().items())
                .extracting(Item::name, Item::caption)
                .containsExactly(
                        tuple("main/A.jpg", "caption of A.TXT"),
                        tuple("main/IMG_1.PNG", "caption of img_1.txt"),
                        tuple("main/a.png", "caption of a.txt"));
    }

    @Test
    void textThatMayBelongToTwoPicturesIsNeithers() throws IOException {
        write("IMG_1.png", picture(".png"));
        write("Img_1.png", picture(".png"));
        text("img_1.txt");

        assertThatThrownBy(this::list)
                .hasMessageContaining("IMG_1.png has no caption IMG_1.txt beside it")
                .hasMessageContaining("Img_1.png has no caption Img_1.txt beside it");
    }

    @Test
    void pictureAndTheFilmBesideItAreLeftOutAsOne() throws IOException {
        pictures(".png", "a", "b", "c");
        for (String stem : List.of("live1", "live2")) {
            write(stem + ".heic", head("Photoshop"));
            write(stem + ".mov", new byte[16]);
            text(stem + ".txt");
        }

        assertThat(names()).containsExactly("main/a.png", "main/b.png", "main/c.png");
        write("live3.heic", head("Photoshop"));
        write("live4.heic", head("Photoshop"));
        assertThatThrownBy(this::list).hasMessageContaining("4 of 7 are left out");
    }

    @Test
    void maskIsFoundWhateverTheCaseOfItsName() throws IOException {
        pictures(".png", "wolf");
        write("Wolf-MaskLabel.PNG", picture(".png"));

        assertThat(list().items()).singleElement().satisfies(item -> assertThat(item.mask())
                .isEqualTo(folder.resolve("Wolf-MaskLabel.PNG")));
    }

    private List<String> names() throws IOException {
        return list().items().stream().map(Item::name).toList();
    }

    private void refused(String message) {
        assertThatThrownBy(this::list)
                .isInstanceOfSatisfying(
                        TrainerException.class, e -> assertThat(e.reason()).isEqualTo(Reason.InvalidData))
                .hasMessageContaining(message);
    }

    @Test
    void pictureIsOneByItsContentWhateverItsExtension() throws IOException {
        for (String extension : List.of(".jfif", ".jpe", ".JPEG", ".img", "", ".png", ".gif", ".heic")) {
            write("p" + extension.length() + extension.replace(".", "") + extension, picture(".jpg"));
            text("p" + extension.length() + extension.replace(".", "") + ".txt");
        }
        pictures(".jp2", "jp2");
        pictures(".bmp", "bmp");

        RawDataset.Listed listed = list();

        assertThat(listed.items()).hasSize(10);
        assertThat(listed.leftOut()).isNull();
    }

    @ParameterizedTest
    @CsvSource({
        "JPEG XL, jpg, JPEG XL",
        "JPEG XL, jxl, JPEG XL",
        "Photoshop, psd, Photoshop",
        "camera raw, nef, camera raw",
        "camera raw, dng, camera raw",
    })
    void pictureThatCantBeDecodedIsNamedWithWhatItIs(String format, String extension, String label) throws IOException {
        pictures(".png", "a");
        write("b." + extension, head(format));
        text("b.txt");

        RawDataset.Listed listed = list();

        assertThat(listed.items()).extracting(Item::name).containsExactly("main/a.png");
        assertThat(listed.leftOut()).isEqualTo("data set \"main\" leaves out b.%s (%s)".formatted(extension, label));
    }

    @Test
    void anyFileWithACaptionOfItsOwnIsNamed() throws IOException {
        pictures(".png", "a", "b");
        write("c.pdf", head("Photoshop"));
        write("d.mov", new byte[100]);
        text("d.txt");
        text("e.svg");
        text("f.xyz");
        text("f.txt");
        text("notes.md");
        text("readme.txt");

        pictures(".png", "g", "h");

        assertThat(list().leftOut())
                .isEqualTo("data set \"main\" leaves out c.pdf (Photoshop), d.mov (MOV), e.svg (SVG), f.xyz (XYZ)");
    }

    @Test
    void whatLiesBesideAPictureOfTheSameNameIsNoPictureLeftOut() throws IOException {
        pictures(".jpg", "IMG_1");
        write("IMG_1.HEIC", head("HEIC"));
        write("IMG_1.MOV", new byte[100]);
        write("IMG_1.npz", new byte[100]);
        write("IMG_1.json", new byte[100]);

        assertThat(list().leftOut()).isNull();
    }

    @Test
    void dataSetOfWhichMostWouldBeLeftOutIsRefused() throws IOException {
        pictures(".png", "a");
        for (String name : List.of("b", "c")) {
            write(name + ".jxl", head("JPEG XL"));
            text(name + ".txt");
        }

        refused("most pictures of data set \"main\" must be readable (PNG, JPEG, WebP, BMP, TIFF, JPEG 2000, Netpbm,"
                + " Sun raster, GIF, AVIF, HEIC), but 2 of 3 are left out: b.jxl (JPEG XL), c.jxl (JPEG XL)");
        pictures(".png", "d");
        assertThat(list().items()).hasSize(2);
    }

    @Test
    void dataSetOfNothingButWhatCantBeDecodedIsRefusedByName() throws IOException {
        write("a.psd", head("Photoshop"));
        text("a.txt");

        refused("1 of 1 are left out: a.psd (Photoshop)");
    }

    @Test
    void lostLinksAreNamedAndCount() throws IOException {
        pictures(".png", "a");
        Files.createSymbolicLink(folder.resolve("b.png"), Path.of("nowhere.png"));

        assertThat(list().leftOut()).isEqualTo("data set \"main\" leaves out b.png (a link that leads nowhere)");
        Files.createSymbolicLink(folder.resolve("c.png"), Path.of("nowhere.png"));
        refused("2 of 3 are left out: b.png (a link that leads nowhere), c.png (a link that leads nowhere)");
    }

    @Test
    void aGifBesideAPictureOfItsNameIsAnotherPicture() throws IOException {
        pictures(".png", "a");
        write("a.gif", head("GIF"));

        assertThatThrownBy(this::list)
                .isInstanceOf(TrainerException.class)
                .hasMessageContaining("a.png and a.gif share one caption");
    }

    @Test
    void manyThatAreLeftOutAreCounted() throws IOException {
        for (int i = 10; i < 22; i++) {
            write("b" + i + ".psd", head("Photoshop"));
            pictures(".png", "a" + i);
        }

        assertThat(list().leftOut())
                .startsWith("data set \"main\" leaves out b10.psd (Photoshop), ")
                .endsWith("b19.psd (Photoshop) and 2 more");
    }

    @Test
    void fileThatIsCalledAPictureAndIsNoneStaysToBeRefused() throws IOException {
        pictures(".png", "a");
        for (String name : List.of("empty.png", "page.jpg")) {
            write(name, name.startsWith("empty") ? new byte[0] : "<html>".getBytes(StandardCharsets.UTF_8));
            text(name.replaceAll("\\..*", ".txt"));
        }

        assertThat(names()).containsExactly("main/a.png", "main/empty.png", "main/page.jpg");
        assertThat(Photo.decode(folder.resolve("empty.png"))).isNull();
        assertThat(Photo.decode(folder.resolve("page.jpg"))).isNull();
    }

    @Test
    void extensionsMeetInAnyCase() throws IOException {
        write("IMG_1.PNG", picture(".png"));
        text("IMG_1.TXT");
        write("IMG_2.Jpg", picture(".jpg"));
        text("IMG_2.Txt");

        assertThat(list().items())
                .extracting(Item::name, Item::caption)
                .containsExactly(
                        tuple("main/IMG_1.PNG", "caption of IMG_1.TXT"),
                        tuple("main/IMG_2.Jpg", "caption of IMG_2.Txt"));
    }

    @Test
    void composedAndDecomposedSpellingsOfANameMeet() throws IOException {
        write("nai\u0308ve.png", picture(".png"));
        text("na\u00efve.txt");
        write("caf\u00e9/a.png", picture(".png"));
        write("caf\u00e9/a-masklabel.png", picture(".png"));
        text("caf\u00e9/a.txt");

        List<Item> items = list().items();

        assertThat(items).extracting(Item::name).containsExactly("main/caf\u00e9/a.png", "main/na\u00efve.png");
        assertThat(items.get(0).mask()).isEqualTo(folder.resolve("caf\u00e9/a-masklabel.png"));
    }

    @Test
    void twoSpellingsOfOneCaptionAreRefused() throws IOException {
        pictures(".png", "a");
        text("a.TXT");

        refused("a.png has 2 captions: a.TXT and a.txt");
    }

    @Test
    void twoPicturesOfOneCaptionAreRefused() throws IOException {
        pictures(".png", "a");
        write("a.jpg", picture(".jpg"));

        refused("a.png and a.jpg share one caption");
    }

    @Test
    void picturesOfOneNameInTwoFoldersAreTwo() throws IOException {
        write("x/a.png", picture(".png"));
        write("y/a.png", picture(".png"));
        text("x/a.txt");
        text("y/a.txt");

        assertThat(list().items()).extracting(Item::name).containsExactly("main/x/a.png", "main/y/a.png");
    }

    @ParameterizedTest
    @ValueSource(strings = {".png", ".PNG", ".webp", ".bmp"})
    void maskIsKnownByItsNameInAnyFormat(String extension) throws IOException {
        pictures(".jpg", "a");
        write("a-masklabel" + extension, picture(extension.toLowerCase(Locale.ROOT)));

        RawDataset.Listed listed = list();

        assertThat(listed.items()).extracting(Item::mask).containsExactly(folder.resolve("a-masklabel" + extension));
        assertThat(listed.leftOut()).isNull();
    }

    @Test
    void maskWithoutItsPictureIsNamed() throws IOException {
        pictures(".png", "a");
        write("b-masklabel.png", picture(".png"));

        assertThat(list().leftOut())
                .isEqualTo("data set \"main\" leaves out b-masklabel.png (a mask without its picture)");
    }

    @Test
    void pictureThatIsReachedTwiceCountsOnceUnlessItsCaptionDiffers() throws IOException {
        pictures(".png", "set/a");
        Files.createSymbolicLink(folder.resolve("a.png"), Path.of("set/a.png"));
        Files.createSymbolicLink(folder.resolve("a.txt"), Path.of("set/a.txt"));
        Files.createSymbolicLink(folder.resolve("b.png"), Path.of("set/a.png"));
        text("b.txt");

        assertThat(names()).hasSize(2).contains("main/b.png");
    }
}
