package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.files.FileDigests;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.model.basemodel.ModelDigest;

/** Several trainings in one process, beside the same ones alone. */
@Timeout(value = 900, unit = TimeUnit.SECONDS)
class TogetherRunTest {
    private static final Map<String, String> TRAININGS = new TreeMap<>(Map.of(
            "narrow", "steps: 10, batchSize: 1, seed: 1, adapter: {rank: 2}",
            "wide", "steps: 10, batchSize: 2, adapter: {rank: 8, targets: [Attention, FeedForward]}",
            "magnitudes", "steps: 7, batchSize: 1, seed: 3, adapter: {type: DoRA, rank: 2}",
            "words",
                    "steps: 10, batchSize: 2, adapter: {rank: 2, textEncoder: true}, optimizer: {learningRate: 1e-2}"));

    @TempDir
    Path folder;

    private TinyRun base;

    @BeforeEach
    void writeTheBase() throws IOException {
        base = TinyRun.create(folder, "steps: 1, precision: Float32");
    }

    private Path file(String name, String training) throws IOException {
        String text = Files.readString(base.yaml)
                .replace("name: tiny", "name: " + name)
                .replaceFirst("training: \\{.*}", "training: {precision: Float32, " + training + "}");
        return Files.writeString(folder.resolve(name + ".yaml"), text);
    }

    private Ran together(Path workspaces, List<Path> files) {
        List<String> arguments = new ArrayList<>(List.of("together"));
        files.forEach(file -> arguments.add(file.toString()));
        arguments.addAll(List.of("--workspaces", workspaces.toString()));
        return Ran.of(arguments.toArray(String[]::new));
    }

    private static byte[] adapter(Path workspace, String name) throws IOException {
        return Files.readAllBytes(workspace.resolve("output").resolve(name + ".safetensors"));
    }

    @Test
    void eachComesToTheBitsThatItComesToAlone() throws Exception {
        List<Path> files = new ArrayList<>();
        for (Map.Entry<String, String> training : TRAININGS.entrySet()) {
            files.add(file(training.getKey(), training.getValue()));
        }

        Ran ran = together(folder.resolve("together"), files);

        assertThat(ran.code()).as(ran.error()).isZero();
        for (String name : TRAININGS.keySet()) {
            Path alone = folder.resolve("alone-" + name);
            Ran one = Ran.of("run", folder.resolve(name + ".yaml").toString(), "--workspace", alone.toString());
            assertThat(one.code()).as(one.error()).isZero();
            assertThat(adapter(folder.resolve("together").resolve(name), name))
                    .as(name)
                    .isEqualTo(adapter(alone, name));
            assertThat(ran.output()).contains(name + ": done");
            String log =
                    Files.readString(folder.resolve("together").resolve(name).resolve("run.log"));
            assertThat(log.lines().filter(line -> line.contains(" parameters in ")))
                    .hasSize(1);
            assertThat(ran.output()).contains(name + ": Train ").contains(name + ": in ");
        }
        assertThat(ran.output().lines())
                .allSatisfy(line -> assertThat(TRAININGS.keySet()).contains(line.substring(0, line.indexOf(':'))));
    }

    @Test
    void digestsOfTheBaseModelAreMadeOnceForAll() throws Exception {
        String base = "uri: '%s'".formatted(BundledRun.MODEL.toAbsolutePath().normalize());
        List<Path> files = new ArrayList<>();
        for (String name : List.of("one", "other")) {
            Path file = file(name, "steps: 1, batchSize: 1, adapter: {rank: 2}, watchdog: {enabled: false}");
            files.add(Files.writeString(file, Files.readString(file).replace("uri: base", base)));
        }
        Path workspaces = Files.createDirectories(folder.resolve("together"));
        Path store = workspaces.resolve(".digests.json");
        Path weights = BundledRun.MODEL.resolve("unet/diffusion_pytorch_model.safetensors");
        try (FileDigests digests = FileDigests.rememberedIn(store)) {
            digests.of(weights);
        }
        // Another than the file's own shows where it was taken from.
        Files.writeString(store, Files.readString(store).replace(Sha256.of(weights), "0".repeat(64)));

        Ran ran = together(workspaces, files);

        assertThat(ran.code()).as(ran.error()).isZero();
        String computed = ModelDigest.of(BundledRun.MODEL, null, FileDigests.computed());
        List<String> told = new ArrayList<>();
        for (String name : List.of("one", "other")) {
            Path manifest = workspaces.resolve(name).resolve("dataset/manifest.json");
            told.add(Json.MAPPER
                    .readTree(manifest.toFile())
                    .get("baseModelDigest")
                    .asText());
            assertThat(workspaces.resolve(name).resolve(".digests.json")).doesNotExist();
        }
        assertThat(told).doesNotContain(computed).hasSize(2).containsOnly(told.get(0));
    }

    @Test
    void oneThatFailsLeavesTheOthersAndGivesTheExitCode() throws Exception {
        Path wrong = file("wrong", "steps: 10, watchdog: {rollbacks: 0}, optimizer: {learningRate: 10}, batchSize: 1");
        Path right = file("right", "steps: 4, batchSize: 1, adapter: {rank: 2}");

        Ran ran = together(folder.resolve("together"), List.of(wrong, right));

        assertThat(ran.code()).isEqualTo(Reason.Diverged.exitCode());
        assertThat(ran.output()).contains("right: done").contains("wrong: the training must not diverge");
        assertThat(folder.resolve("together/right/output/right.safetensors")).isNotEmptyFile();
        assertThat(Json.MAPPER
                        .readTree(folder.resolve("together/wrong/results/train/result.json")
                                .toFile())
                        .path("reason")
                        .asText())
                .isEqualTo("Diverged");
    }

    @Test
    void oneThatWaitsForAReviewIsRefused() throws Exception {
        Path one = file("one", "steps: 2, batchSize: 1, watchdog: {enabled: false}");
        Path waits = Files.writeString(
                folder.resolve("waits.yaml"),
                Files.readString(one).replace("name: one", "name: waits")
                        + "  preparation: {captions: {pauseForReview: true}}\n");

        Ran ran = together(folder.resolve("together"), List.of(one, waits));

        assertThat(ran.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(ran.error()).contains("pauseForReview` must be false in trainings that run together");
        assertThat(folder.resolve("together")).doesNotExist();
    }

    @Test
    void askedToStopAllSaveWhatTheyHaveAndGoOnFromThere() throws Exception {
        Path one = file("one", "steps: 40, batchSize: 1, adapter: {rank: 2}");
        Path other = file("other", "steps: 40, batchSize: 1, seed: 3, adapter: {rank: 2}");
        Path workspaces = folder.resolve("together");
        Process process = base.start(List.of(), "together", List.of(one, other), workspaces);
        Path events = workspaces.resolve("other/events.jsonl");
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(120);
        while (!(Files.exists(events) && Files.readString(events).contains("\"Train\""))) {
            assertThat(System.nanoTime()).isLessThan(end);
            Thread.sleep(20);
        }

        process.destroy();

        assertThat(process.waitFor()).isEqualTo(Reason.Preempted.exitCode());
        assertThat(together(workspaces, List.of(one, other)).code()).isZero();
        for (Path file : List.of(one, other)) {
            String name = file.getFileName().toString().replace(".yaml", "");
            assertThat(Files.readString(workspaces.resolve(name).resolve("run.log")))
                    .contains("going on from step ");
            Path alone = folder.resolve("alone-" + name);
            assertThat(Ran.of("run", file.toString(), "--workspace", alone.toString())
                            .code())
                    .isZero();
            assertThat(adapter(workspaces.resolve(name), name)).isEqualTo(adapter(alone, name));
        }
    }

    @Test
    void oneThatTrainsTheModelItselfIsRefused() throws Exception {
        Path one = file("one", "steps: 2, batchSize: 1, watchdog: {enabled: false}");
        Path whole = file("whole", "steps: 2, method: FullFineTuning, optimizer: {learningRate: 1e-5}");

        Ran ran = together(folder.resolve("together"), List.of(whole, one));

        assertThat(ran.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(ran.output())
                .contains("whole: `spec.training.method` must not be FullFineTuning")
                .contains("one: done");
    }

    @Test
    void anotherBaseOrTheSameNameIsRefused() throws Exception {
        Path one = file("one", "steps: 2, batchSize: 1, watchdog: {enabled: false}");
        Path other = Files.writeString(
                folder.resolve("other.yaml"),
                Files.readString(one).replace("name: one", "name: other").replace("Float32", "BFloat16"));

        Ran precision = together(folder.resolve("together"), List.of(one, other));
        assertThat(precision.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(precision.output())
                .contains("one: done")
                .contains("other: `spec.baseModel` and `spec.training.precision` must be those of the first");

        Ran twice = together(folder.resolve("twice"), List.of(one, one));
        assertThat(twice.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(twice.error())
                .contains("`metadata.name` must be another in each")
                .contains("one is there twice");
        assertThat(folder.resolve("twice")).doesNotExist();
    }
}
