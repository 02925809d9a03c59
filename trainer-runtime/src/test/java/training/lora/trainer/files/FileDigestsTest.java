package training.lora.trainer.files;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Json;

/** A digest is remembered, and never that of another content. */
class FileDigestsTest {
    /** A clock by which what changed just now is no longer too fresh to be told from the next change. */
    private static final InstantSource LATER = () -> Instant.now().plusMillis(2200);

    /** Large enough to be remembered. */
    private static final String ONE = "one.".repeat(1 << 18);

    private static final String TWO = "two.".repeat(1 << 18);

    @TempDir
    Path folder;

    private Path file;
    private Path store;

    @BeforeEach
    void file() throws IOException {
        file = Files.writeString(folder.resolve("weights"), ONE);
        store = folder.resolve("digests.json");
    }

    private String digest(Path of) throws IOException {
        try (FileDigests digests = FileDigests.rememberedIn(store, LATER)) {
            return digests.of(of);
        }
    }

    @Test
    void settledFileIsNotReadAgainAndOneThatChangedIs() throws Exception {
        // Some ticks of the file system's clock, so that the change below has another time.
        TimeUnit.MILLISECONDS.sleep(50);
        assertThat(digest(file)).isEqualTo(Sha256.of(ONE));
        String remembered = Files.readString(store);
        Files.writeString(store, remembered.replace(Sha256.of(ONE), "remembered"));
        assertThat(digest(file)).isEqualTo("remembered");

        FileTime time = Files.getLastModifiedTime(file);
        Files.writeString(file, TWO);
        // As copies do that keep the time of what they copy.
        Files.setLastModifiedTime(file, time);

        assertThat(digest(file)).isEqualTo(Sha256.of(TWO));
    }

    @Test
    void whatAnotherRemembersMeanwhileIsNotComputedAgain() throws Exception {
        try (FileDigests first = FileDigests.rememberedIn(store, LATER)) {
            digest(file);
            Files.writeString(store, Files.readString(store).replace(Sha256.of(ONE), "remembered"));

            assertThat(first.of(file)).isEqualTo("remembered");
        }
    }

    @Test
    void fileThatHasJustChangedIsReadEachTime() throws Exception {
        Instant changed = ((FileTime) Files.getAttribute(file, "unix:ctime")).toInstant();
        for (long seconds : new long[] {-1, 0, 2}) {
            try (FileDigests digests =
                    FileDigests.rememberedIn(store, InstantSource.fixed(changed.plusSeconds(seconds)))) {
                assertThat(digests.of(file)).isEqualTo(Sha256.of(ONE));
            }
            assertThat(store).doesNotExist();
        }

        try (FileDigests digests = FileDigests.rememberedIn(store, InstantSource.fixed(changed.plusSeconds(3)))) {
            assertThat(digests.of(file)).isEqualTo(Sha256.of(ONE));
        }
        assertThat(store).exists();
    }

    @Test
    void smallFilesAreNotRememberedAndWhatIsTakesOneLine() throws Exception {
        Path picture = Files.writeString(folder.resolve("picture"), ONE.substring(1));
        try (FileDigests digests = FileDigests.rememberedIn(store, LATER)) {
            digests.of(file);
            assertThat(digests.of(picture)).isEqualTo(Sha256.of(ONE.substring(1)));
        }

        assertThat(Files.readAllLines(store))
                .singleElement()
                .asString()
                .contains(file.toString())
                .doesNotContain(picture.toString());
    }

    @Test
    void fileOfTheFutureIsReadEachTime() throws Exception {
        Files.setLastModifiedTime(file, FileTime.from(Instant.now().plus(Duration.ofDays(1))));

        assertThat(digest(file)).isEqualTo(Sha256.of(ONE));

        assertThat(store).doesNotExist();
    }

    @Test
    void linkThatLeadsElsewhereHasTheDigestOfWhatItLeadsTo() throws Exception {
        Path other = Files.writeString(folder.resolve("other"), TWO);
        Path link = Files.createSymbolicLink(folder.resolve("link"), file);
        assertThat(digest(link)).isEqualTo(Sha256.of(ONE));

        Files.delete(link);
        Files.createSymbolicLink(link, other);

        assertThat(digest(link)).isEqualTo(Sha256.of(TWO));
    }

    @Test
    void filesThatAreGoneAreForgottenAndADamagedStoreIsWrittenAnew() throws Exception {
        Path gone = Files.writeString(folder.resolve("gone"), ONE);
        digest(gone);
        Files.delete(gone);
        assertThat(Files.readString(store)).contains(gone.toString());
        digest(file);
        assertThat(Files.readString(store)).contains(file.toString()).doesNotContain(gone.toString());

        Files.writeString(store, "{");

        assertThat(digest(file)).isEqualTo(Sha256.of(ONE));
        assertThat(Files.readString(store)).contains(Sha256.of(ONE));
    }

    @Test
    void storeThatCannotBeWrittenHurtsNothing() throws Exception {
        try (FileDigests digests = FileDigests.rememberedIn(file.resolve("digests.json"), LATER)) {
            assertThat(digests.of(file)).isEqualTo(Sha256.of(ONE));
        }
    }

    @Test
    void threadsShareOne() throws Exception {
        List<Path> files = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
            try (RandomAccessFile sparse =
                    new RandomAccessFile(folder.resolve(i + ".png").toFile(), "rw")) {
                sparse.setLength((1 << 20) + i);
            }
            files.add(folder.resolve(i + ".png"));
        }
        ExecutorService pool = Executors.newFixedThreadPool(8);
        try (FileDigests digests =
                FileDigests.rememberedIn(store, () -> Instant.now().plusSeconds(60))) {
            List<Future<String>> all = new ArrayList<>();
            for (Path each : files) {
                all.add(pool.submit(() -> digests.of(each)));
            }
            for (int i = 0; i < files.size(); i++) {
                assertThat(all.get(i).get()).isEqualTo(Sha256.of(files.get(i)));
            }
        } finally {
            pool.shutdown();
        }
        assertThat(Json.MAPPER.readTree(store.toFile())).hasSize(files.size());
    }
}
