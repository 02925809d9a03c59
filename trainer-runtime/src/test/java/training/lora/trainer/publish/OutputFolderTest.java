package training.lora.trainer.publish;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import training.lora.api.Owner;

/** {@link OutputLaws} in a folder, and what there is in folders alone. */
class OutputFolderTest extends OutputLaws {
    private Path there() {
        return folder.resolve("output");
    }

    @Override
    Output output(Owner owner, ClaimToken token) {
        return new Output(owner, token, store());
    }

    @Override
    OutputStore store() {
        return store(there());
    }

    @Override
    Map<String, String> content() throws IOException {
        Map<String, String> content = new TreeMap<>();
        try (Stream<Path> files = Files.walk(there())) {
            for (Path file : files.filter(f -> !Files.isDirectory(f)).toList()) {
                content.put(there().relativize(file).toString(), Files.readString(file));
            }
        }
        return content;
    }

    @Override
    void write(String name, String text) throws IOException {
        Files.createDirectories(there().resolve(name).getParent());
        Files.writeString(there().resolve(name), text);
    }

    @Override
    void delete(String name) throws IOException {
        Files.delete(there().resolve(name));
    }

    @Override
    String place() {
        return there().toString();
    }

    @Override
    String option() {
        return "--output";
    }

    @Test
    void newAndEmptyFoldersMayBeWrittenTo() throws IOException {
        Output output = output(MINE);
        assertThatCode(output::requireOwn).doesNotThrowAnyException();
        assertThat(there()).doesNotExist();
        // What file systems and file managers put everywhere.
        write(".DS_Store", "");
        Files.createDirectories(there().resolve("lost+found"));

        assertThatCode(output::requireOwn).doesNotThrowAnyException();
    }

    @Test
    void whatAManifestListsOfOthersStaysToo() throws IOException {
        Path outside = Files.writeString(folder.resolve("outside.safetensors"), "somebody's");
        write("other.safetensors", "somebody's");
        manifest(
                MINE,
                "other.safetensors",
                "../outside.safetensors",
                "checkpoints/step-000010/../../../outside.safetensors",
                outside.toString());

        output(MINE).replace(sources("two", "mine.safetensors"));

        assertThat(outside).hasContent("somebody's");
        assertThat(there().resolve("other.safetensors")).hasContent("somebody's");
    }

    @Test
    void foldersThatAreEmptyAndFilesThatWereNeverWholeGo() throws IOException {
        Output output = output(MINE);
        output.replace(sources("one", "proof.json", CHECKPOINT, "diffusers/pytorch_lora_weights.safetensors"));
        write(".proof.json.tmp", "tw");
        write("checkpoints/step-000010/.mine.safetensors.tmp", "tw");

        output.replace(sources("two", "mine.safetensors"));

        assertThat(content()).containsOnlyKeys("mine.safetensors", Output.PENDING);
        assertThat(there().resolve("diffusers")).doesNotExist();
        assertThat(there().resolve("checkpoints")).doesNotExist();
    }

    @Test
    void listThatTakesTheFolderIsWholeWhenItAppears() throws Exception {
        byte[] content = "x".repeat(1 << 20).getBytes(StandardCharsets.UTF_8);
        Files.createDirectories(there());
        ExecutorService reader = Executors.newSingleThreadExecutor();
        try {
            for (int i = 0; i < 20; i++) {
                Path file = there().resolve("list-" + i);
                Future<Long> seen = reader.submit(() -> {
                    while (!Files.exists(file)) {
                        Thread.onSpinWait();
                    }
                    return Files.size(file);
                });

                assertThat(store(there()).create(file.getFileName().toString(), content))
                        .isTrue();

                assertThat(seen.get()).isEqualTo(content.length);
            }
        } finally {
            reader.shutdownNow();
        }
        assertThat(content()).hasSize(20);
    }

    @Test
    void fileSystemWithoutLinksIsTakenOnceToo() throws IOException {
        try (FileSystem zip = FileSystems.newFileSystem(folder.resolve("a.zip"), Map.of("create", "true"))) {
            FolderStore store = store(zip.getPath("/output"));

            assertThat(store.create("list", new byte[] {1})).isTrue();
            assertThat(store.create("list", new byte[] {2})).isFalse();

            assertThat(store.read("list")).containsExactly(1);
            try (Stream<Path> all = Files.list(zip.getPath("/output"))) {
                assertThat(all).hasSize(1);
            }
        }
    }

    private FolderStore store(Path there) {
        return new FolderStore(there, option());
    }
}
