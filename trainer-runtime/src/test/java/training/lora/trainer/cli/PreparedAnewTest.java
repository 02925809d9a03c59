package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.trainer.Goldens;
import training.lora.trainer.dataset.PreparedDataset;

/** What changed is prepared anew, and nothing else. */
class PreparedAnewTest {
    @TempDir
    Path folder;

    private TinyRun tiny;

    @BeforeEach
    void tinyRun() throws IOException {
        tiny = TinyRun.create(folder, "steps: 2, adapter: {rank: 2}");
    }

    private void prepare(String madeAnew, String... options) {
        Ran ended = tiny.run("prepare", options);

        assertThat(ended.code()).as(ended.error()).isZero();
        assertThat(ended.error()).contains("made anew: " + madeAnew);
    }

    private Map<String, String> files() {
        return PreparedDataset.manifest(tiny.workspace().resolve("dataset")).files();
    }

    private Map<String, String> pictures() {
        Map<String, String> pictures = new TreeMap<>(files());
        pictures.keySet().removeIf(name -> !name.startsWith("images/"));
        return pictures;
    }

    private List<Path> kept() throws IOException {
        try (Stream<Path> files = Files.walk(tiny.workspace().resolve(".made"))) {
            return files.filter(Files::isRegularFile).sorted().toList();
        }
    }

    @Test
    void onlyWhatChangedIsMadeAnew() throws IOException {
        Path data = folder.resolve("data");
        prepare("3 pictures, 0 masks, 4 text embeddings, 3 latents");
        int before = kept().size();

        Files.copy(data.resolve("bat.png"), data.resolve("second.png"));
        Files.write(data.resolve("second.png"), new byte[1], StandardOpenOption.APPEND);
        Files.writeString(data.resolve("second.txt"), "a second bat");
        prepare("1 pictures, 0 masks, 1 text embeddings, 0 latents");

        Files.writeString(data.resolve("crab.txt"), "a crab on a rock");
        prepare("0 pictures, 0 masks, 1 text embeddings, 0 latents");

        prepare("0 pictures, 4 masks, 0 text embeddings, 0 latents", "--set", "preparation.mask.source=Alpha");
        Map<String, String> stepByStep = files();

        // What is gone from the data set goes from the workspace.
        Files.delete(data.resolve("second.png"));
        Files.delete(data.resolve("second.txt"));
        prepare("0 pictures, 0 masks, 0 text embeddings, 0 latents");
        assertThat(kept()).hasSize(before);

        for (Path file : kept()) {
            if (file.toString().contains("latents") || file.toString().contains("/png-")) {
                byte[] bytes = Files.readAllBytes(file);
                bytes[bytes.length / 2]++;
                Files.delete(file);
                Files.write(file, bytes);
            }
        }
        Files.writeString(data.resolve("crab.txt"), "a crab on a stone");
        prepare("3 pictures, 0 masks, 1 text embeddings, 3 latents");

        Map<String, String> pictures = pictures();
        Files.createDirectories(folder.resolve("held"));
        Files.copy(Goldens.BUNDLED.resolve("fluent-style/black-heart.png"), folder.resolve("held/other.png"));
        Files.writeString(folder.resolve("held/other.txt"), "a held-out thing");
        prepare(
                "1 pictures, 0 masks, 1 text embeddings, 1 latents",
                "--set",
                "datasets=[{uri: data}, {name: held, uri: held, role: Validation}]");
        assertThat(pictures()).hasSize(4).containsAllEntriesOf(pictures);

        Files.copy(data.resolve("bat.png"), data.resolve("second.png"));
        Files.write(data.resolve("second.png"), new byte[1], StandardOpenOption.APPEND);
        Files.writeString(data.resolve("second.txt"), "a second bat");
        Files.writeString(data.resolve("crab.txt"), "a crab on a rock");
        tiny = tiny.in(folder.resolve("at-once"));
        prepare("4 pictures, 4 masks, 5 text embeddings, 4 latents", "--set", "preparation.mask.source=Alpha");
        assertThat(files()).isEqualTo(stepByStep);
    }
}
