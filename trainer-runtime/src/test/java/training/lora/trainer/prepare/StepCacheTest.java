package training.lora.trainer.prepare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;

import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.trainer.prepare.StepCache.Step;

class StepCacheTest {
    @TempDir
    Path folder;

    @Test
    void sameThingMayBeKeptByThreadsAtOnce() throws Exception {
        StepCache cache = StepCache.open(folder);
        byte[] content = new byte[10_000];

        assertThatCode(() -> IntStream.range(0, 2000).parallel().forEach(i -> {
                    try {
                        cache.put(Step.PNG, "a" + i / 100, content);
                    } catch (java.io.IOException e) {
                        throw new UncheckedIOException(e);
                    }
                }))
                .doesNotThrowAnyException();

        assertThat(cache.get(Step.PNG, "a7")).isEqualTo(content);
        assertThat(folder.resolve("png-3").toFile().list()).hasSize(20);
    }
}
