package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Json;
import training.lora.api.Outcome;
import training.lora.api.Reason;
import training.lora.api.StageResult;
import training.lora.trainer.trained.TrainSummary;
import training.lora.trainer.trained.TrainSummary.Rollback;

/** Trainings at learning rates that are far too high. */
@Timeout(value = 900, unit = TimeUnit.SECONDS)
class DivergedTrainingTest {
    private static final int STEPS = 60;

    @TempDir
    Path folder;

    private TinyRun prepared(int rollbacks, int everySteps) throws IOException {
        TinyRun run = TinyRun.create(
                folder,
                "steps: %d, adapter: {rank: 4}, checkpoints: {everySteps: %d}, watchdog: {rollbacks: %d}, optimizer: {learningRate: 10, schedule: {type: Constant}}"
                        .formatted(STEPS, everySteps, rollbacks));
        assertThat(run.run("prepare").code()).isZero();
        return run;
    }

    private static StageResult result(TinyRun run) throws IOException {
        return Json.MAPPER.readValue(
                run.workspace().resolve("results/train/result.json").toFile(), StageResult.class);
    }

    private static List<Rollback> rollbacks(TinyRun run) throws IOException {
        return TrainSummary.read(run.workspace().resolve("train")).rollbacks();
    }

    @Test
    void trainingThatDivergesHoweverOftenItGoesBackSaysSoAndCanBeBegunAnew() throws IOException {
        TinyRun run = prepared(1, 10);

        Ran ended = run.run("train");

        assertThat(ended.code()).isEqualTo(13);
        assertThat(ended.error().lines())
                .filteredOn(line -> line.startsWith("lora-trainer: "))
                .singleElement()
                .asString()
                .matches(
                        "lora-trainer: the training must not diverge, but at step \\d+ the .+, after 1 rollback and at a"
                                + " learning rate of 3; a lower `training.optimizer.learningRate` may help");
        assertThat(ended.error()).doesNotContain("\tat ");
        assertThat(result(run).reason()).isEqualTo(Reason.Diverged);
        assertThat(run.workspace().resolve("output/manifest.json")).doesNotExist();

        Ran second = run.run("train", "--set", "training.optimizer.learningRate=1e-4");
        assertThat(second.code()).as(second.error()).isZero();
        assertThat(rollbacks(run)).isEmpty();
        assertThat(result(run).message()).isNull();
    }

    @Test
    void trainingThatGoesBackRecordsItAndComesToTheSameBitsWhenItIsKilled() throws Exception {
        // With the first state alone to go back to: a later one may be too damaged already for any learning rate, and
        // whether it is depends on the processor.
        TinyRun run = prepared(10, STEPS);
        TinyRun killed = run.in(folder.resolve("killed"));
        assertThat(killed.run("prepare").code()).isZero();

        Ran ended = run.run("train");
        assertThat(ended.code()).as(ended.error()).isZero();
        Process process = killed.start("train");
        try {
            while (process.isAlive() && !Files.readString(killed.log()).contains("back to step")) {
                TimeUnit.MILLISECONDS.sleep(1);
            }
        } finally {
            process.destroyForcibly().waitFor();
        }
        assertThat(process.exitValue()).as(Files.readString(killed.log())).isEqualTo(128 + 9);
        assertThat(killed.run("train", "--attempt", "2").code()).isZero();

        List<Rollback> rollbacks = rollbacks(run);
        assertThat(rollbacks).hasSizeBetween(1, 10);
        for (int i = 0; i < rollbacks.size(); i++) {
            Rollback rollback = rollbacks.get(i);
            assertThat(rollback.to()).isLessThan(rollback.step()).isBetween(0, STEPS);
            if (i > 0 && rollback.to() > 0) {
                // What was tried in vain isn't tried again.
                assertThat(rollback.to()).isNotEqualTo(rollbacks.get(i - 1).to());
            }
            assertThat(rollback.learningRateFactor()).isCloseTo(Math.pow(0.3, i + 1), within(1e-12));
            assertThat(result(run).message())
                    .contains("at step %d %s, so that it went back to step %d"
                            .formatted(rollback.step(), rollback.why(), rollback.to()));
        }
        assertThat(result(run).outcome()).isEqualTo(Outcome.Succeeded);
        double rate = 10 * rollbacks.get(rollbacks.size() - 1).learningRateFactor();
        assertThat(Files.readAllLines(run.workspace().resolve("train/loss.jsonl")))
                .hasSize(STEPS)
                .last()
                .satisfies(line -> assertThat(
                                Json.MAPPER.readTree(line).get("learningRate").asDouble())
                        .isEqualTo(rate));
        assertThat(rollbacks(killed)).isEqualTo(rollbacks);
        assertThat(killed.lora()).isEqualTo(run.lora());
    }

    @Test
    void picturesOfAnAdapterThatWasGivenUpAreDrawnAgain() throws IOException {
        TinyRun run = prepared(10, 4);

        // Whether it ends well depends on the processor, and on nothing that is looked at here.
        String log = run.run("train", "--set", "sampling={steps: 1}").error();

        List<String> reached = log.lines()
                .map(Pattern.compile(".*checkpoint at step (\\d+),.*")::matcher)
                .filter(Matcher::matches)
                .map(matcher -> matcher.group(1))
                .toList();
        assertThat(reached).as(log).hasSizeGreaterThan((int)
                reached.stream().distinct().count());
        assertThat(log.lines().filter(line -> line.contains("with the adapter")))
                .hasSameSizeAs(reached);
    }
}
