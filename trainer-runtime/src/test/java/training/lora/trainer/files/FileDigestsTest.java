package training.lora.trainer.files;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A digest is remembered, and never that of another content. */
class FileDigestsTest {
    /** Longer than a change is too fresh to be told from the next one. */
    private static final Duration SETTLED = Duration.ofMillis(2200);

    @TempDir
    Path folder;

    private Path file;
    private Path store;

    @BeforeEach
    void file() throws IOException {
        file = Files.writeString(folder.resolve("weights"), "one");
        store = folder.resolve("digests.json");
    }

    private String digest(Path of) throws IOException {
        try (FileDigests digests = FileDigests.rememberedIn(store)) {
            return digests.of(of);
        }
    }

    private static void settle() throws InterruptedException {
        TimeUnit.MILLISECONDS.sleep(SETTLED.toMillis());
    }

    @Test
    void settledFileIsNotReadAgainAndOneThatChangedIs() throws Exception {
        settle();
        assertThat(digest(file)).isEqualTo(Sha256.of("one"));
        String remembered = Files.readString(store);
        Files.writeString(store, remembered.replace(Sha256.of("one"), "remembered"));
        assertThat(digest(file)).isEqualTo("remembered");

        FileTime time = Files.getLastModifiedTime(file);
        Files.writeString(file, "two");
        // As copies do that keep the time of what they copy.
        Files.setLastModifiedTime(file, time);

        assertThat(digest(file)).isEqualTo(Sha256.of("two"));
    }

    @Test
    void fileThatHasJustChangedIsReadEachTime() throws Exception {
        assertThat(digest(file)).isEqualTo(Sha256.of("one"));

        assertThat(store).doesNotExist();
    }

    @Test
    void fileOfTheFutureIsReadEachTime() throws Exception {
        Files.setLastModifiedTime(file, FileTime.from(Instant.now().plus(Duration.ofDays(1))));

        assertThat(digest(file)).isEqualTo(Sha256.of("one"));

        assertThat(store).doesNotExist();
    }

    @Test
    void linkThatLeadsElsewhereHasTheDigestOfWhatItLeadsTo() throws Exception {
        Path other = Files.writeString(folder.resolve("other"), "two");
        Path link = Files.createSymbolicLink(folder.resolve("link"), file);
        settle();
        assertThat(digest(link)).isEqualTo(Sha256.of("one"));

        Files.delete(link);
        Files.createSymbolicLink(link, other);

        assertThat(digest(link)).isEqualTo(Sha256.of("two"));
    }

    @Test
    void filesThatAreGoneAreForgottenAndADamagedStoreIsWrittenAnew() throws Exception {
        Path gone = Files.writeString(folder.resolve("gone"), "gone");
        settle();
        digest(gone);
        Files.delete(gone);
        assertThat(Files.readString(store)).contains(gone.toString());
        digest(file);
        assertThat(Files.readString(store)).contains(file.toString()).doesNotContain(gone.toString());

        Files.writeString(store, "{");

        assertThat(digest(file)).isEqualTo(Sha256.of("one"));
        assertThat(Files.readString(store)).contains(Sha256.of("one"));
    }

    @Test
    void storeThatCannotBeWrittenHurtsNothing() throws Exception {
        settle();
        try (FileDigests digests = FileDigests.rememberedIn(file.resolve("digests.json"))) {
            assertThat(digests.of(file)).isEqualTo(Sha256.of("one"));
        }
    }
}
