package training.lora.trainer.source;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CyclicBarrier;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.files.WholeFile;

final class CacheTest {
    @TempDir
    private Path folder;

    private Cache cache;

    @BeforeEach
    void open() {
        cache = new Cache(folder.resolve("cache"));
    }

    @Test
    void ofTwoThatUnpackTheSameArchiveTheLaterTakesTheFolderOfTheOther() throws Exception {
        String sha256 = Sha256.of("archive");
        // Both have begun before either is done.
        CyclicBarrier both = new CyclicBarrier(2);
        WholeFile.Content content = target -> {
            Files.writeString(target.resolve("model.safetensors"), "weights");
            try {
                both.await(20, java.util.concurrent.TimeUnit.SECONDS);
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        };

        CompletableFuture<Path> first = CompletableFuture.supplyAsync(() -> unpacked(sha256, content));
        Path second = unpacked(sha256, content);

        assertThat(first.get()).isEqualTo(second);
        assertThat(second.resolve("model.safetensors")).hasContent("weights");
        try (Stream<Path> left = Files.list(second.getParent())) {
            assertThat(left).containsExactly(second);
        }
    }

    @Test
    void whatAKilledProcessLeftIsDeletedAfterADay() throws Exception {
        Path old = Files.createDirectories(folder.resolve("cache/unpacked/.a.b/unet"));
        Files.setLastModifiedTime(old.getParent(), FileTime.from(Instant.now().minus(Duration.ofHours(25))));
        Path young = Files.createDirectories(folder.resolve("cache/unpacked/.c.d"));

        unpacked(Sha256.of("archive"), target -> Files.writeString(target.resolve("a"), "a"));

        assertThat(old.getParent()).doesNotExist();
        assertThat(young).exists();
    }

    private Path unpacked(String sha256, WholeFile.Content content) {
        try {
            return cache.unpacked(sha256, content);
        } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }
}
