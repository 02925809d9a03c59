package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.run.RunContext;
import training.lora.trainer.run.RunSpecs;
import training.lora.trainer.run.Workspace;
import training.lora.trainer.source.Sources;
import training.lora.trainer.source.Surroundings;
import training.lora.trainer.train.TrainStage;
import training.lora.trainer.trained.TrainSummary;

/** A training that is asked to stop while it measures a loss, which may take minutes: it ends before the next batch. */
class StoppedMeasurementTest {
    /** Batches of a measurement: 32 items, of which a step takes 2. */
    private static final int BATCHES = 16;

    /** Batches of the 16 samples that are drawn as in training. */
    private static final int DRAWN = 8;

    /** A seed whose order has the one of 21 samples among the last 5. */
    private static final int HEAVY_LATE = 45;

    @TempDir
    Path folder;

    /** Runs the train stage, which is asked to stop once it has looked {@code looks} times whether it is. */
    private static int train(TinyRun run, int looks) throws IOException {
        AtomicInteger looked = new AtomicInteger();
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            TrainStage.run(
                    new RunContext(
                            RunSpecs.load(run.yaml, List.of()).run(),
                            1,
                            Workspace.of(run.workspace()),
                            Sources.of(name -> null, run.folder),
                            message -> {},
                            new Surroundings(name -> null, () -> looked.incrementAndGet() > looks),
                            manager),
                    (context, data, model, memory) -> null);
        }
        return looked.get();
    }

    private static void assertStops(TinyRun run, int looks, String where) {
        assertThatThrownBy(() -> train(run, looks))
                .isInstanceOfSatisfying(
                        TrainerException.class, e -> assertThat(e.reason()).isEqualTo(Reason.Preempted))
                .hasMessage("the run was asked to stop " + where + "; the same command goes on from there");
    }

    @Test
    void nothingIsLostWhereverItIsAskedToStopAndTheRestComesToTheSameBits() throws IOException {
        TinyRun undisturbed =
                TinyRun.create(folder, "steps: 2, batchSize: 2, adapter: {rank: 2}, checkpoints: {everySteps: 1}");
        Files.createDirectories(folder.resolve("held"));
        for (String end : List.of(".png", ".txt")) {
            Files.move(folder.resolve("data/crab" + end), folder.resolve("held/crab" + end));
        }
        Files.writeString(
                undisturbed.yaml,
                Files.readString(undisturbed.yaml)
                        .replace("[{uri: data}]", "[{uri: data}, {name: held, uri: held, role: Validation}]"));
        TinyRun stopped = undisturbed.in(folder.resolve("stopped"));
        assertThat(undisturbed.run("prepare").code()).isZero();
        assertThat(stopped.run("prepare").code()).isZero();

        int all = train(undisturbed, Integer.MAX_VALUE);
        // Both sets and the samples as drawn, then each step and its validation, then the fixed set again.
        assertThat(all).isEqualTo(2 * BATCHES + DRAWN + 2 * (1 + BATCHES) + BATCHES);

        assertStops(stopped, BATCHES / 2, "before its first step");
        assertStops(stopped, BATCHES + BATCHES / 2, "before its first step");
        assertStops(stopped, 2 * BATCHES + DRAWN + 1 + BATCHES / 2, "at step 1 of 2, whose state is written");
        assertThat(stopped.states()).containsExactly(0, 1);
        assertThat(stopped.workspace().resolve("train/checkpoints/step-000001")).doesNotExist();
        assertStops(stopped, BATCHES / 2, "at step 1 of 2, whose state is written");
        // Asked while it made the step: its checkpoint is left to the next attempt at once.
        assertStops(stopped, BATCHES, "at step 2 of 2, whose state is written");
        assertThat(stopped.workspace().resolve("train/checkpoints/step-000001")).isDirectory();
        assertThat(stopped.workspace().resolve("train/checkpoints/step-000002")).doesNotExist();
        assertStops(stopped, BATCHES + BATCHES / 2, "at step 2 of 2, whose state is written");
        assertThat(stopped.workspace().resolve("train/checkpoints/step-000002")).isDirectory();
        train(stopped, Integer.MAX_VALUE);

        assertThat(stopped.lora()).isEqualTo(undisturbed.lora());
        for (String name : List.of("train/checkpoints", "train/state", "train/loss.jsonl", "train/summary.json")) {
            assertThat(TinyRun.digests(stopped.workspace().resolve(name)))
                    .as(name)
                    .isEqualTo(TinyRun.digests(undisturbed.workspace().resolve(name)));
        }
    }

    @Test
    void withoutTheWatchdogTheStepsAreMadeAndLittleElse() throws IOException {
        TinyRun undisturbed = TinyRun.create(
                folder,
                "steps: 3, batchSize: 2, adapter: {rank: 2}, checkpoints: {everySteps: 1}, watchdog: {enabled: false}");
        TinyRun stopped = undisturbed.in(folder.resolve("stopped"));
        assertThat(undisturbed.run("prepare").code()).isZero();
        assertThat(stopped.run("prepare").code()).isZero();

        int all = train(undisturbed, Integer.MAX_VALUE);
        assertStops(stopped, 1, "at step 2 of 3, whose state is written");
        train(stopped, Integer.MAX_VALUE);

        assertThat(all).isEqualTo(3);
        assertThat(TrainSummary.read(undisturbed.workspace().resolve("train")).fixedSetLoss())
                .isNull();
        assertThat(stopped.lora()).isEqualTo(undisturbed.lora());
    }

    @Test
    void stepsWhoseHighLossesAreYetToBeJudgedAreNotLost() throws IOException {
        TinyRun undisturbed = TinyRun.create(
                folder,
                "steps: 24, seed: %d, adapter: {rank: 2}, optimizer: {learningRate: 1e-6}, watchdog: {rollbacks: 0}"
                        .formatted(HEAVY_LATE));
        Files.createDirectories(folder.resolve("heavy"));
        for (String end : List.of(".png", ".txt")) {
            Files.move(folder.resolve("data/crab" + end), folder.resolve("heavy/crab" + end));
        }
        Files.writeString(
                undisturbed.yaml,
                Files.readString(undisturbed.yaml)
                        .replace(
                                "[{uri: data}]", "[{uri: data, repeats: 10}, {name: heavy, uri: heavy, weight: 100}]"));
        TinyRun stopped = undisturbed.in(folder.resolve("stopped"));
        assertThat(undisturbed.run("prepare").code()).isZero();
        assertThat(stopped.run("prepare").code()).isZero();
        train(undisturbed, Integer.MAX_VALUE);
        List<Double> losses = new ArrayList<>();
        for (String line : Files.readAllLines(undisturbed.workspace().resolve("train/loss.jsonl"))) {
            losses.add(Json.MAPPER.readTree(line).get("loss").asDouble());
        }
        assertThat(mean(losses.subList(5, 21)))
                .as("the case: losses far above those of the first 16 samples")
                .isGreaterThan(5 * mean(losses.subList(0, 16)));

        // Each step takes one item.
        assertStops(stopped, 2 * BATCHES + 16 + 20, "at step 21 of 24, whose state is written");

        assertThat(stopped.states()).contains(21);
        train(stopped, Integer.MAX_VALUE);
        assertThat(stopped.lora()).isEqualTo(undisturbed.lora());
    }

    private static double mean(List<Double> losses) {
        return losses.stream().mapToDouble(Double::doubleValue).average().orElseThrow();
    }
}
