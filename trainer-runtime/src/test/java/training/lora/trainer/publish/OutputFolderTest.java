package training.lora.trainer.publish;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.Json;
import training.lora.api.Owner;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/** Where runs may publish, and that nothing of others is touched. */
class OutputFolderTest {
    private static final Owner MINE = new Owner("default", "mine");

    private static final String CHECKPOINT = "checkpoints/step-000010/mine.safetensors";

    @TempDir
    Path folder;

    private Path place;
    private OutputFolder output;

    @BeforeEach
    void output() {
        place = folder.resolve("output");
        output = new OutputFolder(MINE, place);
    }

    /** What is there, by name. */
    private Map<String, String> content() throws IOException {
        Map<String, String> content = new TreeMap<>();
        try (Stream<Path> files = Files.walk(place)) {
            for (Path file : files.filter(f -> !Files.isDirectory(f)).toList()) {
                content.put(place.relativize(file).toString(), Files.readString(file));
            }
        }
        return content;
    }

    private void write(String name, String text) throws IOException {
        Files.createDirectories(place.resolve(name).getParent());
        Files.writeString(place.resolve(name), text);
    }

    private Map<String, Path> sources(String text, String... names) throws IOException {
        Map<String, Path> sources = new TreeMap<>();
        for (String name : names) {
            Path file = folder.resolve("sources").resolve(name);
            Files.createDirectories(file.getParent());
            sources.put(name, Files.writeString(file, text));
        }
        return sources;
    }

    private void manifest(Owner owner, String... files) throws IOException {
        List<Map<String, String>> listed =
                Stream.of(files).map(f -> Map.of("uri", f)).toList();
        Files.createDirectories(place);
        Json.PRETTY.writeValue(
                place.resolve("manifest.json").toFile(),
                Map.of("version", "lora.training/manifest/v1", "owner", owner, "files", listed));
    }

    private static void assertOwned(ThrowingCallable call, String message) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        TrainerException.class, e -> assertThat(e.reason()).isEqualTo(Reason.OutputOwned))
                .hasMessage(message);
    }

    @Test
    void newAndEmptyFoldersMayBeWrittenTo() throws IOException {
        assertThatCode(output::requireOwn).doesNotThrowAnyException();
        assertThat(place).doesNotExist();
        // What file systems and file managers put everywhere.
        write(".DS_Store", "");
        Files.createDirectories(place.resolve("lost+found"));

        assertThatCode(output::requireOwn).doesNotThrowAnyException();
    }

    @Test
    void folderWithFilesThatNoRunWroteIsRefused() throws IOException {
        write("checkpoints/v1-5.safetensors", "base");
        for (String name : List.of("a", "b", "c", "d")) {
            write(name + ".txt", "");
        }

        assertOwned(
                output::requireOwn,
                "the output must be empty or this run's own, but %s holds a.txt, b.txt, c.txt and 2 more, which no run of default/mine wrote; take another --output"
                        .formatted(place));
    }

    @ParameterizedTest
    @ValueSource(strings = {"{\"name\": \"app\"}", "no json", ""})
    void manifestOfSomethingElseIsNone(String text) throws IOException {
        write("manifest.json", text);

        assertOwned(
                output::requireOwn,
                "the output must be empty or this run's own, but %s/manifest.json is not that of a training"
                        .formatted(place));
        assertOwned(
                () -> output.replace(sources("x", "proof.json")),
                "the output must be empty or this run's own, but %s/manifest.json is not that of a training"
                        .formatted(place));
        assertThat(content()).containsExactly(Map.entry("manifest.json", text));
    }

    @ParameterizedTest
    @ValueSource(strings = {"samples.png", "mine.safetensors", "checkpoints/step-000020/mine.safetensors"})
    void nobodysFileUnderANameThatRunsPublishIsInTheWay(String name) throws IOException {
        manifest(MINE, "proof.json");
        write("proof.json", "mine");
        write("my.safetensors", "somebody's");
        write("checkpoints/v1-5.safetensors", "somebody's");
        assertThatCode(output::requireOwn).doesNotThrowAnyException();
        write(name, "somebody's");
        Map<String, String> before = content();
        String message =
                "the output must be empty or this run's own, but %s holds %s, which no run of default/mine wrote; take another --output"
                        .formatted(place, name);

        assertOwned(output::requireOwn, message);
        assertOwned(() -> output.replace(sources("x", name, "proof.json")), message);
        assertThat(content()).isEqualTo(before);
    }

    @Test
    void ownFilesGiveWayAndOthersStay() throws IOException {
        output.replace(sources(
                "one", "mine.safetensors", "proof.json", CHECKPOINT, "diffusers/pytorch_lora_weights.safetensors"));
        manifest(MINE, "mine.safetensors", "proof.json", CHECKPOINT, "diffusers/pytorch_lora_weights.safetensors");
        Files.delete(place.resolve(OutputFolder.PENDING));
        write("checkpoints/v1-5.safetensors", "base");
        write("checkpoints/step-000010/note.txt", "somebody's");
        write("checkpoints/step-000010/.DS_Store", "somebody's");
        write("other.safetensors", "somebody's");
        assertThatCode(output::requireOwn).doesNotThrowAnyException();

        output.replace(sources("two", "mine.safetensors", "proof.json"));

        assertThat(content())
                .containsEntry("mine.safetensors", "two")
                .containsEntry("checkpoints/v1-5.safetensors", "base")
                .containsEntry("checkpoints/step-000010/note.txt", "somebody's")
                .containsEntry("other.safetensors", "somebody's")
                .doesNotContainKeys(CHECKPOINT, "manifest.json");
        assertThat(place.resolve("diffusers")).doesNotExist();
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

        output.replace(sources("two", "mine.safetensors"));

        assertThat(outside).hasContent("somebody's");
        assertThat(place.resolve("other.safetensors")).hasContent("somebody's");
    }

    @Test
    void ownerGoesOnAfterACrashAndNobodyElse() throws IOException {
        manifest(MINE, "mine.safetensors", CHECKPOINT);
        write("mine.safetensors", "one");
        write(CHECKPOINT, "one");
        output.replace(sources("two", "mine.safetensors", "proof.json"));
        // As if the process had been killed before its last file.
        Files.delete(place.resolve("proof.json"));
        write(".proof.json.tmp", "tw");
        write("checkpoints/step-000010/.mine.safetensors.tmp", "tw");
        OutputFolder theirs = new OutputFolder(new Owner("default", "theirs"), place);

        assertOwned(
                theirs::requireOwn,
                "the output must be empty or this run's own, but %s/%s belongs to default/mine"
                        .formatted(place, OutputFolder.PENDING));
        assertThat(output.manifest()).isNull();
        assertThatCode(output::requireOwn).doesNotThrowAnyException();

        output.replace(sources("three", "mine.safetensors"));
        assertThat(content()).containsOnlyKeys("mine.safetensors", OutputFolder.PENDING);
    }

    @Test
    void fileThatAppearedWhileItTrainedIsNotOverwritten() throws IOException {
        write("note.txt", "somebody's");
        write("proof.json", "somebody's");

        assertOwned(
                () -> output.replace(sources("x", "proof.json", "mine.safetensors")),
                "the output must be empty or this run's own, but %s holds proof.json, which no run of default/mine wrote; take another --output"
                        .formatted(place));

        assertThat(content()).containsOnlyKeys("note.txt", "proof.json");
    }
}
