package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.Json;
import training.lora.api.ProgressMessage;
import training.lora.api.Reason;
import training.lora.api.Stage;
import training.lora.api.StageResult;
import training.lora.trainer.files.Folders;

/** Training processes that are killed or asked to stop: what they come to in the end is what an undisturbed one does. */
@Timeout(value = 180, unit = TimeUnit.SECONDS)
class KilledTrainingTest {
    private static final int INTERVAL = 3;

    /** Ten kills take some two intervals each. */
    private static final int STEPS = 26 * INTERVAL;

    @TempDir
    static Path folder;

    private static TinyRun undisturbed;

    @BeforeAll
    static void undisturbedRun() throws Exception {
        undisturbed = TinyRun.create(
                folder,
                "steps: %d, precision: Float32, adapter: {rank: 16}, checkpoints: {everySteps: %d, keep: 3}, optimizer: {learningRate: 1e-3}"
                        .formatted(STEPS, INTERVAL));
        assertThat(undisturbed.run("prepare").code()).isZero();
        assertEndsWith(0, undisturbed, undisturbed.start("train"));
    }

    private static TinyRun prepared(String workspace) throws IOException {
        return prepared(undisturbed, workspace);
    }

    /** The same run in a workspace of its own, prepared. */
    private static TinyRun prepared(TinyRun like, String workspace) throws IOException {
        TinyRun run = like.in(folder.resolve(workspace));
        Path dataset = like.workspace().resolve("dataset");
        for (String name : TinyRun.digests(dataset).keySet()) {
            Path to = run.workspace().resolve("dataset").resolve(name);
            Files.createDirectories(to.getParent());
            Files.copy(dataset.resolve(name), to);
        }
        return run;
    }

    private static void assertEndsWith(int code, TinyRun run, Process process) throws Exception {
        try {
            assertThat(process.waitFor(180, TimeUnit.SECONDS))
                    .as("the process ends")
                    .isTrue();
            assertThat(process.exitValue()).as(Files.readString(run.log())).isEqualTo(code);
        } finally {
            process.destroyForcibly();
        }
    }

    private static void assertSameAsUndisturbed(TinyRun run) throws IOException {
        assertThat(run.lora()).isEqualTo(undisturbed.lora());
        for (String name : List.of("train/checkpoints", "train/loss.jsonl", "output/checkpoints", "output/diffusers")) {
            assertThat(TinyRun.digests(run.workspace().resolve(name)))
                    .as(name)
                    .isEqualTo(TinyRun.digests(undisturbed.workspace().resolve(name)));
        }
        List<Integer> told = new ArrayList<>();
        for (String line : Files.readAllLines(run.workspace().resolve("events.jsonl"))) {
            ProgressMessage message = Json.MAPPER.readValue(line, ProgressMessage.class);
            if (message.stage() == Stage.Train) {
                told.add(message.step());
            }
        }
        assertThat(told).doesNotHaveDuplicates().isSorted().startsWith(0).endsWith(STEPS);
    }

    @Test
    void runKilledTenTimesComesToTheSameBits() throws Exception {
        long seed = 20261124;
        Random random = new Random(seed);
        TinyRun run = prepared("killed");
        int during = 0;

        for (int kill = 0; kill < 10; kill++) {
            int goal = (run.states().isEmpty() ? 0 : run.states().last()) + INTERVAL * random.nextInt(1, 3);
            Process process = run.start("train", "--attempt", Integer.toString(kill + 1));
            try {
                waitForState(run, goal, process);
                switch (kill % 3) {
                    case 0 -> TimeUnit.MICROSECONDS.sleep(random.nextInt(60_000));
                    case 1 -> waitForHidden(run.workspace().resolve("train/state"), process);
                    default -> waitForHidden(run.workspace().resolve("train/checkpoints"), process);
                }
            } finally {
                process.destroyForcibly().waitFor();
            }
            assertThat(process.exitValue()).as("kill %d, seed %d", kill, seed).isEqualTo(128 + 9);
            during += hidden(run.workspace().resolve("train/state"))
                            || hidden(run.workspace().resolve("train/checkpoints"))
                    ? 1
                    : 0;
        }
        assertThat(during).as("kills that left something half-written").isPositive();
        assertEndsWith(0, run, run.start("train", "--attempt", "11"));

        assertSameAsUndisturbed(run);
        assertThat(Files.readString(run.log())).contains("going on from step");
        assertThat(hidden(run.workspace().resolve("train/state"))).isFalse();
        assertThat(hidden(run.workspace().resolve("train/checkpoints"))).isFalse();
    }

    private static void waitForState(TinyRun run, int step, Process process) throws Exception {
        while (process.isAlive() && (run.states().isEmpty() || run.states().last() < step)) {
            TimeUnit.MILLISECONDS.sleep(1);
        }
    }

    /** Waits, without rest, until something is being written. */
    private static void waitForHidden(Path path, Process process) {
        while (process.isAlive() && !hidden(path)) {
            Thread.onSpinWait();
        }
    }

    private static boolean hidden(Path path) {
        File[] files = path.toFile().listFiles(f -> f.getName().startsWith("."));
        return files != null && files.length > 0;
    }

    @Test
    void runThatIsAskedToStopEndsWith75AndGoesOnFromThatVeryStep() throws Exception {
        TinyRun run = prepared("stopped");
        Process process = run.start("train");
        waitForState(run, 2 * INTERVAL, process);

        process.destroy();

        assertEndsWith(75, run, process);
        StageResult result = Json.MAPPER.readValue(
                run.workspace().resolve("results/train/result.json").toFile(), StageResult.class);
        int step = run.states().last();
        assertThat(result.reason()).isEqualTo(Reason.Preempted);
        assertThat(result.message())
                .isEqualTo("the run was asked to stop at step " + step + " of " + STEPS
                        + ", whose state is written; the same command goes on from there");
        assertThat(Files.readAllLines(run.workspace().resolve("train/loss.jsonl")))
                .hasSize(step);

        assertEndsWith(0, run, run.start("train", "--attempt", "2"));

        assertThat(Files.readString(run.log())).contains("going on from step " + step + " of " + STEPS);
        assertSameAsUndisturbed(run);
        assertThat(run.states()).allMatch(s -> s % INTERVAL == 0);
    }

    @ParameterizedTest
    @ValueSource(strings = {"checkpoint", "state"})
    void fullDiskEndsWith21AndTheStateBeforeStays(String which) throws Exception {
        TinyRun run = prepared("full-" + which);
        Process first = run.start("train");
        try {
            waitForState(run, 2 * INTERVAL, first);
        } finally {
            first.destroyForcibly().waitFor();
        }
        int step = run.states().last();
        long adapter =
                Files.size(run.workspace().resolve("train/checkpoints/step-%06d/tiny.safetensors".formatted(step)));
        long state = Files.size(run.state(step));
        assertThat(state).isGreaterThan(2 * adapter);
        long limit = which.equals("checkpoint") ? adapter - 1024 : state - 1024;

        assertEndsWith(21, run, run.startWithFilesUpTo(limit, "train", "--attempt", "2"));

        StageResult result = Json.MAPPER.readValue(
                run.workspace().resolve("results/train/result.json").toFile(), StageResult.class);
        assertThat(result.reason()).isEqualTo(Reason.StorageFull);
        assertThat(result.message())
                .isEqualTo(
                        "there must be room in the workspace and in the folder for temporary files, but disk or quota is full (File too large); free some, or make the volume larger, and start again: what is finished is kept");
        assertThat(run.states().last()).isEqualTo(step);
        assertThat(hidden(run.workspace().resolve("train/state"))).isFalse();
        assertThat(hidden(run.workspace().resolve("train/checkpoints"))).isFalse();

        assertEndsWith(0, run, run.start("train", "--attempt", "3"));
        assertThat(Files.readString(run.log())).contains("going on from step " + step + " of " + STEPS);
        assertSameAsUndisturbed(run);
    }

    @Test
    void runOfProdigyWithAccumulatedBatchesThatIsKilledComesToTheSameBits() throws Exception {
        TinyRun whole = TinyRun.create(
                Files.createDirectories(folder.resolve("prodigy")),
                "steps: %d, precision: BFloat16, gradientAccumulation: 2, checkpoints: {everySteps: %d}, optimizer: {type: Prodigy}"
                        .formatted(12 * INTERVAL, INTERVAL));
        assertThat(whole.run("prepare").code()).isZero();
        assertEndsWith(0, whole, whole.start("train"));
        TinyRun run = prepared(whole, "prodigy-killed");
        Process process = run.start("train");
        try {
            waitForState(run, 4 * INTERVAL, process);
        } finally {
            process.destroyForcibly().waitFor();
        }
        assertThat(process.exitValue()).isEqualTo(128 + 9);

        assertEndsWith(0, run, run.start("train", "--attempt", "2"));

        assertThat(Files.readString(run.log())).contains("going on from step");
        assertThat(run.lora()).isEqualTo(whole.lora());
        String losses = "train/loss.jsonl";
        assertThat(Files.readString(run.workspace().resolve(losses)))
                .isEqualTo(Files.readString(whole.workspace().resolve(losses)));
    }

    @Test
    void prepareThatIsAskedToStopLeavesNothingHalfDone() throws Exception {
        TinyRun run = undisturbed.in(folder.resolve("unprepared"));
        Process process = run.start("prepare");
        while (process.isAlive() && !Files.exists(run.workspace().resolve(".dataset.tmp"))) {
            TimeUnit.MILLISECONDS.sleep(1);
        }

        process.destroy();
        process.waitFor();

        // It may have been through with it by then.
        assertThat(process.exitValue()).isIn(0, 75);
        assertThat(run.workspace().resolve(".dataset.tmp")).doesNotExist();
        assertEndsWith(0, run, run.start("prepare"));
        TreeMap<String, String> whole = TinyRun.digests(run.workspace().resolve("dataset"));
        assertThat(whole).isEqualTo(TinyRun.digests(undisturbed.workspace().resolve("dataset")));
        Folders.delete(run.workspace());
    }
}
