package training.lora.trainer.source;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.apache.commons.compress.archivers.zip.ZipArchiveEntry;
import org.apache.commons.compress.archivers.zip.ZipArchiveOutputStream;
import org.apache.commons.compress.archivers.zip.ZipArchiveOutputStream.UnicodeExtraFieldPolicy;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

class ArchiveTest {
    @TempDir
    Path folder;

    private Path file;
    private Path target;

    @BeforeEach
    void target() throws IOException {
        file = folder.resolve("data.zip");
        target = Files.createDirectories(folder.resolve("target"));
    }

    private void zip(String... names) throws IOException {
        zip(StandardCharsets.UTF_8, true, names);
    }

    private void zip(Charset charset, boolean flagged, String... names) throws IOException {
        try (ZipArchiveOutputStream zip = new ZipArchiveOutputStream(file)) {
            zip.setEncoding(charset.name());
            zip.setUseLanguageEncodingFlag(flagged);
            zip.setCreateUnicodeExtraFields(UnicodeExtraFieldPolicy.NEVER);
            for (String name : names) {
                zip.putArchiveEntry(new ZipArchiveEntry(name));
                if (!name.endsWith("/")) {
                    zip.write(name.getBytes(StandardCharsets.UTF_8));
                }
                zip.closeArchiveEntry();
            }
        }
    }

    private void zipOfZeros(String name, int bytes) throws IOException {
        try (ZipArchiveOutputStream zip = new ZipArchiveOutputStream(file)) {
            zip.putArchiveEntry(new ZipArchiveEntry(name));
            zip.write(new byte[bytes]);
            zip.closeArchiveEntry();
        }
    }

    private List<String> unpacked() throws IOException {
        try (Stream<Path> files = Files.walk(target)) {
            return files.filter(Files::isRegularFile)
                    .map(f -> target.relativize(f).toString())
                    .sorted()
                    .toList();
        }
    }

    private void refused(String message) {
        assertThatThrownBy(() -> Archive.unpack(file, target, () -> false))
                .isInstanceOfSatisfying(
                        TrainerException.class, e -> assertThat(e.reason()).isEqualTo(Reason.InvalidData))
                .hasMessageContaining(message);
    }

    @Test
    void flatPictureThatWasNotCompressedIsUnpacked() throws IOException {
        zipOfZeros("white.bmp", 3 << 20);

        Archive.unpack(file, target, () -> false);

        assertThat(Files.size(file)).isLessThan((3 << 20) / 500);
        assertThat(Files.size(target.resolve("white.bmp"))).isEqualTo(3 << 20);
    }

    @Test
    void archiveThatUnpacksToMoreThanTheLimitInAllIsRefused() throws IOException {
        zip("a/one", "a/two", "a/three");

        Archive.unpack(file, target, new Archive.Limits(3, 17), () -> false);
        for (Archive.Limits limits : List.of(new Archive.Limits(3, 16), new Archive.Limits(2, 17))) {
            assertThatThrownBy(() -> Archive.unpack(file, Files.createTempDirectory(folder, "t"), limits, () -> false))
                    .isInstanceOf(TrainerException.class)
                    .hasMessageContaining(limits.entries() == 2 ? "at most 2 entries" : "at most 16 bytes");
        }
    }

    @Test
    void processThatIsAskedToStopUnpacksNoFurther() throws IOException {
        zipOfZeros("large.png", 1 << 20);
        AtomicInteger asked = new AtomicInteger();

        assertThatThrownBy(() -> Archive.unpack(file, target, () -> asked.incrementAndGet() > 2))
                .isInstanceOfSatisfying(
                        TrainerException.class, e -> assertThat(e.reason()).isEqualTo(Reason.Preempted))
                .hasMessageContaining("was asked to stop while it unpacked " + file);

        assertThat(Files.size(target.resolve("large.png"))).isBetween(1L, (1L << 20) - 1);
    }

    @Test
    void entryThatSaysLessThanItUnpacksToIsStoppedAtTheLimit() throws IOException {
        zipOfZeros("bomb.png", 1 << 20);
        byte[] bytes = Files.readAllBytes(file);
        int directory = new String(bytes, StandardCharsets.ISO_8859_1).indexOf("PK\u0001\u0002");
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putInt(directory + 24, 10);
        Files.write(file, bytes);

        assertThatThrownBy(() -> Archive.unpack(file, target, new Archive.Limits(10, 1 << 17), () -> false))
                .isInstanceOf(TrainerException.class)
                .hasMessageContaining("must unpack to at most 131072 bytes, passed at bomb.png");
        assertThat(Files.size(target.resolve("bomb.png"))).isLessThanOrEqualTo(1 << 17);
    }

    @Test
    void archiveThatSaysItUnpacksToTooMuchIsRefusedBeforeAnythingIsWritten() throws IOException {
        zip("big.png");
        byte[] bytes = Files.readAllBytes(file);
        int directory = new String(bytes, StandardCharsets.ISO_8859_1).indexOf("PK\u0001\u0002");
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putInt(directory + 24, Integer.MAX_VALUE);
        Files.write(file, bytes);

        assertThatThrownBy(() -> Archive.unpack(file, target, new Archive.Limits(10, 1 << 30), () -> false))
                .isInstanceOf(TrainerException.class)
                .hasMessageContaining("must unpack to at most");
        assertThat(unpacked()).isEmpty();
    }

    @Test
    void backslashesOfWindowsAreFolders() throws IOException {
        zip("set\\", "set\\a.png", "set\\sub\\a.txt", "set/b.png");

        Archive.unpack(file, target, () -> false);

        assertThat(unpacked()).containsExactly("set/a.png", "set/b.png", "set/sub/a.txt");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"../evil.png", "..\\evil.png", "a\\..\\..\\evil.png", "/evil.png", "\\evil.png", "C:\\evil.png"})
    void nameThatLeadsOutOfTheFolderIsRefused(String name) throws IOException {
        zip(name);

        refused(
                name.startsWith("/") || name.startsWith("\\") || name.startsWith("C")
                        ? "relative names"
                        : "stay in its folder");
        assertThat(folder.resolve("evil.png")).doesNotExist();
    }

    @Test
    void namesOfOtherSystemsAreReadInTheirEncodings() throws IOException {
        for (boolean flagged : new boolean[] {true, false}) {
            Files.deleteIfExists(file);
            zip(StandardCharsets.UTF_8, flagged, "Кошка 🐱.png");
            Archive.unpack(file, Files.createDirectories(target.resolve("utf-8, flag " + flagged)), () -> false);
        }
        Files.delete(file);
        zip(Charset.forName("IBM437"), false, "café.png");
        Archive.unpack(file, Files.createDirectories(target.resolve("dos")), () -> false);

        assertThat(unpacked())
                .containsExactly("dos/café.png", "utf-8, flag false/Кошка 🐱.png", "utf-8, flag true/Кошка 🐱.png");
    }

    @Test
    void nameTwiceIsRefusedHoweverItIsSpelled() throws IOException {
        zip("a/b.png", "a\\b.png");

        refused("must have each entry once, but has a/b.png twice");
    }

    @Test
    void fileThatIsAlsoAFolderIsRefused() throws IOException {
        zip("a", "a/b.png");

        refused("must have each entry once, but has a/b.png below a file");
    }

    @Test
    void folderThatIsAlsoAFileIsRefused() throws IOException {
        zip("a/b.png", "a");

        refused("must hold names that can be stored, but has the entry a: Is a directory");
    }

    @Test
    void nameThatNoDiskTakesIsRefused() throws IOException {
        zip("x".repeat(300) + ".png");

        refused("File name too long");
    }

    @Test
    void fileThatIsNoZipIsRefused() throws IOException {
        try (OutputStream out = Files.newOutputStream(file)) {
            out.write("Rar!".getBytes(StandardCharsets.US_ASCII));
        }

        refused("must be an archive (.zip, .tar, .tar.gz), but its content is none of these");
    }
}
