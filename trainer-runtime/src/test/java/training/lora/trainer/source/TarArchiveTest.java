package training.lora.trainer.source;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.GZIPOutputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveOutputStream;
import org.apache.commons.compress.archivers.tar.TarConstants;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.FileDigests;

class TarArchiveTest {
    @TempDir
    Path folder;

    private Path target;

    @BeforeEach
    void target() throws IOException {
        target = Files.createDirectories(folder.resolve("target"));
    }

    /** Writes entries. */
    private interface Entries {
        void writeTo(TarArchiveOutputStream tar) throws IOException;
    }

    private Path tar(boolean gzipped, Entries entries) throws IOException {
        Path file = folder.resolve("no-ending-says-what-it-is");
        try (OutputStream out = Files.newOutputStream(file);
                OutputStream packed = gzipped ? new GZIPOutputStream(out) : out;
                TarArchiveOutputStream tar = new TarArchiveOutputStream(packed, StandardCharsets.UTF_8.name())) {
            tar.setLongFileMode(TarArchiveOutputStream.LONGFILE_POSIX);
            tar.setAddPaxHeadersForNonAsciiNames(true);
            entries.writeTo(tar);
        }
        return file;
    }

    private static void add(TarArchiveOutputStream tar, String name, String content) throws IOException {
        TarArchiveEntry entry = new TarArchiveEntry(name, true);
        byte[] bytes = content.getBytes(StandardCharsets.UTF_8);
        entry.setSize(name.endsWith("/") ? 0 : bytes.length);
        tar.putArchiveEntry(entry);
        if (!name.endsWith("/")) {
            tar.write(bytes);
        }
        tar.closeArchiveEntry();
    }

    private void refused(Path file, String message) {
        assertThatThrownBy(() -> Archive.unpack(file, target, () -> false))
                .isInstanceOfSatisfying(
                        TrainerException.class, e -> assertThat(e.reason()).isEqualTo(Reason.InvalidData))
                .hasMessageContaining(message);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void filesAreUnpackedUnderTheirNames(boolean gzipped) throws IOException {
        String longName = "x".repeat(150) + ".txt";
        Path file = tar(gzipped, tar -> {
            add(tar, "./", "");
            add(tar, "./pictures/", "");
            add(tar, "./pictures/ü.txt", "a cat");
            add(tar, longName, "long");
        });

        Archive.unpack(file, target, () -> false);

        assertThat(target.resolve("pictures/ü.txt")).hasContent("a cat");
        assertThat(target.resolve(longName)).hasContent("long");
    }

    @ParameterizedTest
    @CsvSource({
        "../out.txt,must stay in its folder but has the entry ../out.txt",
        "a/../../out.txt,must stay in its folder but has the entry a/../../out.txt",
        "/etc/out.txt,must have relative names but has the entry /etc/out.txt",
        "C:/out.txt,must have relative names but has the entry C:/out.txt"
    })
    void nameThatLeadsOutOfTheFolderIsRefused(String name, String message) throws IOException {
        Path file = tar(true, tar -> add(tar, name, "x"));

        refused(file, message.replace(" but", ", but"));
        assertThat(folder.resolve("out.txt")).doesNotExist();
    }

    @ParameterizedTest
    @ValueSource(bytes = {TarConstants.LF_SYMLINK, TarConstants.LF_LINK})
    void linkIsRefused(byte type) throws IOException {
        Path file = tar(false, tar -> {
            TarArchiveEntry link = new TarArchiveEntry("link.txt", type);
            link.setLinkName("/etc/passwd");
            tar.putArchiveEntry(link);
            tar.closeArchiveEntry();
        });

        refused(file, "must hold no links, but has the link link.txt");
    }

    @Test
    void deviceIsRefused() throws IOException {
        Path file = tar(false, tar -> {
            tar.putArchiveEntry(new TarArchiveEntry("zero", TarConstants.LF_CHR));
            tar.closeArchiveEntry();
        });

        refused(file, "must hold files and folders alone, but has zero");
    }

    @Test
    void nameThatIsThereTwiceIsRefused() throws IOException {
        Path file = tar(false, tar -> {
            add(tar, "a.txt", "1");
            add(tar, "./a.txt", "2");
        });

        refused(file, "must have each entry once, but has ./a.txt twice");
    }

    @Test
    void moreThanTheLimitIsRefused() throws IOException {
        Path file = tar(true, tar -> {
            add(tar, "a", "12345");
            add(tar, "b", "12345");
        });

        Archive.unpack(file, Files.createDirectories(folder.resolve("fits")), new Archive.Limits(2, 10), () -> false);
        for (Archive.Limits limits : new Archive.Limits[] {new Archive.Limits(1, 10), new Archive.Limits(2, 9)}) {
            assertThatThrownBy(() -> Archive.unpack(file, Files.createTempDirectory(folder, "t"), limits, () -> false))
                    .hasMessageContaining(limits.entries() == 1 ? "at most 1 entries" : "at most 9 bytes, passed at b");
        }
    }

    @Test
    void archiveThatEndsTooSoonIsRefused() throws IOException {
        Path file = tar(true, tar -> add(tar, "a.txt", "text ".repeat(100_000)));
        byte[] bytes = Files.readAllBytes(file);
        Files.write(file, java.util.Arrays.copyOf(bytes, bytes.length / 2));

        refused(file, "must be a readable tar archive");
    }

    @Test
    void packedFileThatIsNoTarIsRefused() throws IOException {
        Path file = folder.resolve("a.gz");
        try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(file))) {
            out.write("no tar at all, but long enough to be read as one "
                    .repeat(50)
                    .getBytes(StandardCharsets.UTF_8));
        }

        refused(file, "must be a readable tar archive");
    }

    @Test
    void modelInAnArchiveIsUnpackedOnceAndFoundInItsOneFolder() throws IOException {
        Path file = tar(true, tar -> {
            add(tar, "tiny-sd/", "");
            add(tar, "tiny-sd/model_index.json", "{}");
            add(tar, "tiny-sd/unet/config.json", "{}");
            add(tar, "._tiny-sd", "what macOS leaves");
        });
        Cache cache = new Cache(folder.resolve("cache"));
        Source source = new Source("spec.baseModel.uri", file.toString(), Use.BaseModel, null, null);

        Path opened = new Unpacker(cache, FileDigests::computed, () -> false).opened(source, file);

        assertThat(opened).isDirectory().hasFileName("tiny-sd");
        assertThat(opened.resolve("unet/config.json")).hasContent("{}");
        Files.writeString(opened.resolve("mark"), "");
        Path again = new Unpacker(cache, FileDigests::computed, () -> false).opened(source, file);
        assertThat(again.resolve("mark")).exists();
        Path other = Files.writeString(folder.resolve("model.safetensors"), "no archive");
        assertThat(new Unpacker(cache, FileDigests::computed, () -> false).opened(source, other))
                .isEqualTo(other);
    }
}
