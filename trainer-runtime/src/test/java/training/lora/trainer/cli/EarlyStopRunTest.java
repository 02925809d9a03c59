package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.function.IntConsumer;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.Checkpoint;
import training.lora.api.Json;
import training.lora.api.Manifest;
import training.lora.api.Metric;
import training.lora.api.StageResult;
import training.lora.trainer.Goldens;
import training.lora.trainer.evaluate.ScoreJudge;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.run.RunSpecs;
import training.lora.trainer.run.Workspace;
import training.lora.trainer.source.Sources;
import training.lora.trainer.source.Surroundings;
import training.lora.trainer.train.TrainStage;
import training.lora.trainer.trained.CheckpointJudge;

/** Trainings that stop early, undisturbed and killed around the measurements that stop them. */
class EarlyStopRunTest {
    private static final int EVERY = 2;
    private static final int STOPS = 3 * EVERY;

    private static final String WHY =
            "it stopped at step 6 of 40, since diversity has not risen above that of step 2, ";

    @TempDir
    static Path folder;

    private static TinyRun undisturbed;

    /** What happens to a process that is killed. */
    private static final class Killed extends RuntimeException {}

    @BeforeAll
    static void undisturbedRun() throws IOException {
        TinyRun tiny = TinyRun.create(
                folder,
                "steps: 40, precision: Float32, adapter: {rank: 2}, checkpoints: {everySteps: %d, keep: 1}, optimizer: {learningRate: 1e-3}"
                        .formatted(EVERY));
        Files.writeString(
                tiny.yaml,
                Files.readString(tiny.yaml)
                        .replace(
                                "evaluation: {enabled: false}",
                                "evaluation: {clip: {uri: '%s'}, promptSource: Captions, select: Diversity, earlyStop: {patience: 2, minDelta: 1}}"
                                        .formatted(
                                                Goldens.BUNDLED.toAbsolutePath().resolve("emoji-clip"))));
        undisturbed = tiny;
        assertThat(tiny.run("prepare").code()).isZero();
        assertThat(tiny.run("train").code()).isZero();
    }

    private static TinyRun prepared(String workspace) throws IOException {
        TinyRun run = undisturbed.in(folder.resolve(workspace));
        Path dataset = undisturbed.workspace().resolve("dataset");
        for (String name : TinyRun.digests(dataset).keySet()) {
            Path to = run.workspace().resolve("dataset").resolve(name);
            Files.createDirectories(to.getParent());
            Files.copy(dataset.resolve(name), to);
        }
        return run;
    }

    /** Trains in this process, which dies before or after it has measured the checkpoint of {@code step}. */
    private static void trainAndDie(TinyRun run, int step, boolean before) {
        CheckpointJudge.Factory judges = (context, data, model, memory) ->
                new DyingJudge(Objects.requireNonNull(ScoreJudge.open(context, data, model, memory)), step, before);
        assertThatThrownBy(() -> {
                    try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
                        RunContext context = new RunContext(
                                RunSpecs.load(run.yaml, List.of()).run(),
                                1,
                                Workspace.of(run.workspace()),
                                Sources.of(name -> null, run.folder),
                                message -> {},
                                new Surroundings(name -> null, () -> false),
                                manager);
                        TrainStage.run(context, judges);
                    }
                })
                .isInstanceOf(Killed.class);
    }

    private record DyingJudge(CheckpointJudge judge, int step, boolean before) implements CheckpointJudge {
        @Override
        public Checkpoint measure(Checkpoint checkpoint, IntConsumer drew) throws IOException {
            if (before && checkpoint.step() == step) {
                throw new Killed();
            }
            Checkpoint measured = judge.measure(checkpoint, drew);
            if (checkpoint.step() == step) {
                throw new Killed();
            }
            return measured;
        }

        @Override
        public String digest() {
            return judge.digest();
        }

        @Override
        public void close() {
            judge.close();
        }
    }

    /** What the operator reads. */
    private static StageResult result(TinyRun run) throws IOException {
        return Json.MAPPER.readValue(
                run.workspace().resolve("results/train/result.json").toFile(), StageResult.class);
    }

    @Test
    void trainingStopsAndSaysWhyInManifestResultAndLog() throws IOException {
        Manifest manifest = Json.MAPPER.readValue(
                undisturbed.workspace().resolve("output/manifest.json").toFile(), Manifest.class);
        JsonNode result = Json.MAPPER.readTree(
                undisturbed.workspace().resolve("results/train/result.json").toFile());

        assertThat(manifest.stoppedEarly()).startsWith(WHY).endsWith(", for 2 checkpoints");
        assertThat(result.get("message").asText()).isEqualTo(manifest.stoppedEarly());
        assertThat(result(undisturbed).stoppedEarly()).isEqualTo(manifest.stoppedEarly());
        assertThat(Files.readAllLines(undisturbed.workspace().resolve("train/loss.jsonl")))
                .hasSize(STOPS);
        assertThat(Files.readString(undisturbed.workspace().resolve("run.log"))).contains(WHY);
        // The best by what was measured, and the newest.
        assertThat(manifest.checkpoints()).extracting(Checkpoint::step).containsExactly(EVERY, STOPS);
        assertThat(manifest.checkpoints())
                .allSatisfy(
                        c -> assertThat(c.metrics()).extracting(Metric::name).contains("loss", "diversity", "score"));
    }

    @ParameterizedTest
    @CsvSource({"4, true", "6, false"})
    void runKilledAroundAMeasurementComesToTheSameBitsAndStopsAtTheSameStep(int step, boolean before)
            throws IOException {
        TinyRun run = prepared("killed-%d-%s".formatted(step, before));

        trainAndDie(run, step, before);
        assertThat(run.run("train", "--attempt", "2").code()).isZero();

        assertThat(run.lora()).isEqualTo(undisturbed.lora());
        for (String name : List.of("train/checkpoints", "train/state", "train/loss.jsonl", "train/summary.json")) {
            assertThat(TinyRun.digests(run.workspace().resolve(name)))
                    .as(name)
                    .isEqualTo(TinyRun.digests(undisturbed.workspace().resolve(name)));
        }
    }

    @Test
    void stoppedTrainingIsFinishedAndItsPicturesAreNotDrawnAgain() throws IOException {
        TinyRun run = prepared("finished");
        assertThat(run.run("train").code()).isZero();
        var drawn = TinyRun.digests(run.workspace().resolve("evaluate/pictures"));

        assertThat(run.run("train", "--attempt", "2").code()).isZero();
        assertThat(result(run).attempt()).isEqualTo(2);
        assertThat(result(run).stoppedEarly()).startsWith(WHY);
        assertThat(run.run("evaluate").code()).isZero();
        assertThat(run.run("train", "--attempt", "3").code()).isZero();
        assertThat(result(run).alreadyComplete()).isTrue();
        assertThat(result(run).stoppedEarly()).startsWith(WHY);

        assertThat(TinyRun.digests(run.workspace().resolve("evaluate/pictures")))
                .isEqualTo(drawn);
        assertThat(Files.readAllLines(run.workspace().resolve("train/loss.jsonl")))
                .hasSize(STOPS);
        assertThat(Files.readString(run.workspace().resolve("output/report.html")))
                .contains("It stopped at step 6 of 40", "diversity has not risen")
                .doesNotContain("http:", "https:", "<script", "src=\"/");
        JsonNode evaluation = Json.MAPPER.readTree(
                run.workspace().resolve("output/evaluation.json").toFile());
        assertThat(evaluation.at("/scores/clip_diversity").asDouble()).isPositive();
        assertThat(evaluation.at("/checkpoint_folder").asText())
                .isEqualTo("checkpoints/step-00000" + evaluation.at("/bestStep").asInt());
        assertThat(evaluation.at("/sd_model_version").asText()).isEqualTo("sd15");
        assertThat(evaluation.at("/concept_mode").asText()).isEqualTo("style");
        assertThat(evaluation.at("/intervals/2/metrics/diversity/0").asDouble()).isPositive();
        assertThat(evaluation.at("/concepts/0/copies/pictures")).hasSize(3 * drawn.size() / 4);
    }

    @Test
    void trainingThatStopsEarlyGoesOnWithItsPatienceAndPromptsAlone() throws IOException {
        TinyRun run = prepared("changed");
        trainAndDie(run, 4, true);

        Ran patience = run.run("train", "--set", "evaluation.earlyStop.patience=3");
        Ran never = run.run("train", "--set", "evaluation.earlyStop=null");

        assertThat(patience.code()).isEqualTo(10);
        assertThat(patience.error()).contains("`spec.evaluation.earlyStop.patience` was 2 and is 3");
        assertThat(never.code()).isEqualTo(10);
        assertThat(never.error()).contains("`spec.evaluation.earlyStop` was {").doesNotContain("spec.evaluation.clip");
    }
}
