package training.lora.trainer.prepare;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;

import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.trainer.prepare.StepCache.Step;

class StepCacheTest {
    @TempDir
    Path folder;

    @Test
    void whatOtherReleasesMadeIsDeletedAndWhatThisOneMadeStays() throws Exception {
        byte[] content = {1, 2, 3};
        StepCache.open(folder).put(Step.CAPTION, "a1", content);
        String own = folder.toFile().list((parent, name) -> name.startsWith("caption-"))[0];
        for (String other : List.of("caption-0", "caption-99", "png", "thumbnail-1")) {
            Files.createDirectories(folder.resolve(other));
            Files.write(folder.resolve(other).resolve("a1-00000000"), content);
        }
        Files.writeString(folder.resolve(own).resolve(".a1-00000000.part"), "half");
        Files.writeString(folder.resolve("note.txt"), "");

        StepCache cache = StepCache.open(folder);

        assertThat(folder.toFile().list())
                .containsExactlyInAnyOrder(StepCache.versions().split(" "));
        assertThat(folder.resolve(own).toFile().list()).hasSize(1);
        assertThat(cache.get(Step.CAPTION, "a1")).isEqualTo(content);
        assertThat(cache.get(Step.PNG, "a1")).isNull();
        assertThat(cache.made(Step.CAPTION)).isZero();
    }

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
        String own = folder.toFile().list((parent, name) -> name.startsWith("png-"))[0];
        assertThat(folder.resolve(own).toFile().list()).hasSize(20);
    }
}
