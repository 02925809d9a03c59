package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Json;
import training.lora.api.Manifest;
import training.lora.api.StageResult;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.dataset.PreparedDataset;

/** A run that waits until a person has looked at its captions. */
abstract class ReviewedRun {
    static final String NEW = "a blue bat";

    @TempDir
    Path folder;

    TinyRun tiny;

    @BeforeEach
    void pausing() throws IOException {
        tiny = TinyRun.create(folder, "steps: 4, adapter: {rank: 2}, checkpoints: {everySteps: 2}");
        Files.writeString(
                tiny.yaml, Files.readString(tiny.yaml) + "  preparation: {captions: {pauseForReview: true}}\n");
    }

    Path captions() {
        return tiny.workspace().resolve("output/captions.jsonl");
    }

    /** Where they wait while a result stands in the output. */
    Path beside() {
        return tiny.workspace().resolve("output/review/captions.jsonl");
    }

    void preparation(String more) throws IOException {
        Files.writeString(
                tiny.yaml,
                Files.readString(tiny.yaml).replace("pauseForReview: true", "pauseForReview: true, " + more));
    }

    /** The captions by the names of their pictures. */
    static Map<String, String> texts(Path file) throws IOException {
        Map<String, String> texts = new TreeMap<>();
        for (String line : Files.readAllLines(file)) {
            JsonNode json = Json.MAPPER.readTree(line);
            texts.put(json.path("picture").asText(), json.path("text").asText());
        }
        return texts;
    }

    void requirePublishedAsListed() throws IOException {
        assertThat(published().files())
                .allSatisfy(file -> assertThat(TinyRun.digests(tiny.workspace().resolve("output")))
                        .containsEntry(file.uri(), file.sha256()));
    }

    static String edited(String lines, String picture, String text) throws IOException {
        StringBuilder all = new StringBuilder();
        for (String line : lines.lines().toList()) {
            ObjectNode json = (ObjectNode) Json.MAPPER.readTree(line);
            all.append(json.path("picture").asText().equals(picture) ? json.put("text", text) : json)
                    .append('\n');
        }
        return all.toString();
    }

    void edit(String picture, String text) throws IOException {
        Files.writeString(captions(), edited(Files.readString(captions()), picture, text));
    }

    List<Sample> samples() {
        return PreparedDataset.manifest(tiny.workspace().resolve("dataset")).samples();
    }

    List<float[]> embeddings() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                PreparedDataset data = PreparedDataset.open(tiny.workspace().resolve("dataset"))) {
            return IntStream.range(0, data.size())
                    .mapToObj(i -> data.textEmbedding(i, manager).context().toFloatArray())
                    .toList();
        }
    }

    long made() throws IOException {
        try (Stream<Path> files = Files.list(tiny.workspace().resolve(".made/text-1"))) {
            return files.count();
        }
    }

    StageResult result(String stage) throws IOException {
        return Json.MAPPER.readValue(
                tiny.workspace().resolve("results/" + stage + "/result.json").toFile(), StageResult.class);
    }

    Manifest published() throws IOException {
        return Json.MAPPER.readValue(
                tiny.workspace().resolve("output/manifest.json").toFile(), Manifest.class);
    }

    Ran run(int code, String command, String... more) {
        Ran ran = tiny.run(command, more);
        assertThat(ran.code()).as(ran.output() + ran.error()).isEqualTo(code);
        return ran;
    }
}
