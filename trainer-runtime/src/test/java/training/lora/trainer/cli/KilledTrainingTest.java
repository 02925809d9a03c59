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
@Timeout(value = 900, unit = TimeUnit.SECONDS)
class KilledTrainingTest {
    private static final int INTERVAL = 3;

    /** Ten kills take some two intervals each. */
    private static final int STEPS = 26 * INTERVAL;

    /** What one interruption takes. */
    private static final int FEW = 8 * INTERVAL;

    @TempDir
    static Path folder;

    private static TinyRun undisturbed;

    /** The same of {@link #FEW} steps without the watchdog, which measures losses over more batches than these. */
    private static TinyRun shorter;

    /** Of {@link #FEW} steps, killed after two intervals. */
    private static TinyRun cutOff;

    @BeforeAll
    static void undisturbedRuns() throws Exception {
        undisturbed = undisturbed("long", STEPS, true);
        shorter = undisturbed("short", FEW, false);
        cutOff = prepared(shorter, "cut-off");
        Process process = cutOff.start("train");
        try {
            waitForState(cutOff, 2 * INTERVAL, process);
        } finally {
            process.destroyForcibly().waitFor();
        }
    }

    private static TinyRun undisturbed(String name, int steps, boolean watched) throws IOException {
        TinyRun run = TinyRun.create(
                Files.createDirectories(folder.resolve(name)),
                "steps: %d, precision: Float32, adapter: {rank: 16}, checkpoints: {everySteps: %d, keep: 3}, optimizer: {learningRate: 1e-3}, watchdog: {enabled: %s}"
                        .formatted(steps, INTERVAL, watched));
        ends(run, "prepare");
        ends(run, "train");
        return run;
    }

    /** Runs it in this process to its end; what it wrote. */
    private static String ends(TinyRun run, String command, String... more) {
        Ran ended = run.run(command, more);
        assertThat(ended.code()).as(ended.error()).isZero();
        return ended.output() + ended.error();
    }

    /** The same run in a workspace of its own, prepared. */
    private static TinyRun prepared(TinyRun like, String workspace) throws IOException {
        TinyRun run = like.in(folder.resolve(workspace));
        Path dataset = like.workspace().resolve("dataset");
        TinyRun.copyTree(dataset, run.workspace().resolve("dataset"));
        return run;
    }

    private static void assertEndsWith(int code, TinyRun run, Process process) throws Exception {
        try {
            assertThat(process.waitFor(600, TimeUnit.SECONDS))
                    .as("the process ends")
                    .isTrue();
            assertThat(process.exitValue()).as(Files.readString(run.log())).isEqualTo(code);
        } finally {
            process.destroyForcibly();
        }
    }

    private static void assertSame(TinyRun run, TinyRun whole, int steps) throws IOException {
        assertThat(run.lora()).isEqualTo(whole.lora());
        for (String name : List.of("train/checkpoints", "train/loss.jsonl", "output/checkpoints", "output/diffusers")) {
            assertThat(TinyRun.digests(run.workspace().resolve(name)))
                    .as(name)
                    .isEqualTo(TinyRun.digests(whole.workspace().resolve(name)));
        }
        List<Integer> told = new ArrayList<>();
        for (String line : Files.readAllLines(run.workspace().resolve("events.jsonl"))) {
            ProgressMessage message = Json.MAPPER.readValue(line, ProgressMessage.class);
            if (message.stage() == Stage.Train) {
                told.add(message.step());
            }
        }
        assertThat(told).doesNotHaveDuplicates().isSorted().startsWith(0).endsWith(steps);
    }

    @Test
    void runKilledTenTimesComesToTheSameBits() throws Exception {
        long seed = 20261124;
        Random random = new Random(seed);
        TinyRun run = prepared(undisturbed, "killed");
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

        assertThat(ends(run, "train", "--attempt", "11")).contains("going on from step");

        assertSame(run, undisturbed, STEPS);
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
        TinyRun run = prepared(shorter, "stopped");
        Process process = run.start("train");
        waitForState(run, 2 * INTERVAL, process);

        process.destroy();

        assertEndsWith(75, run, process);
        StageResult result = Json.MAPPER.readValue(
                run.workspace().resolve("results/train/result.json").toFile(), StageResult.class);
        int step = run.states().last();
        assertThat(result.reason()).isEqualTo(Reason.Preempted);
        assertThat(result.message())
                .isEqualTo("the run was asked to stop at step " + step + " of " + FEW
                        + ", whose state is written; the same command goes on from there");
        assertThat(Files.readAllLines(run.workspace().resolve("train/loss.jsonl")))
                .hasSize(step);

        assertThat(ends(run, "train", "--attempt", "2")).contains("going on from step " + step + " of " + FEW);

        assertSame(run, shorter, FEW);
        assertThat(run.states()).allMatch(s -> s % INTERVAL == 0);
    }

    @ParameterizedTest
    @ValueSource(strings = {"checkpoint", "state"})
    void fullDiskEndsWith21AndTheStateBeforeStays(String which) throws Exception {
        TinyRun run = shorter.in(folder.resolve("full-" + which));
        TinyRun.copyTree(cutOff.workspace(), run.workspace());
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

        assertThat(ends(run, "train", "--attempt", "3")).contains("going on from step " + step + " of " + FEW);
        assertSame(run, shorter, FEW);
    }

    @Test
    void runOfProdigyWithAccumulatedBatchesThatIsKilledComesToTheSameBits() throws Exception {
        TinyRun whole = TinyRun.create(
                Files.createDirectories(folder.resolve("prodigy")),
                "steps: %d, precision: BFloat16, gradientAccumulation: 2, checkpoints: {everySteps: %d}, optimizer: {type: Prodigy}"
                        .formatted(8 * INTERVAL, INTERVAL));
        ends(whole, "prepare");
        ends(whole, "train");
        TinyRun run = prepared(whole, "prodigy-killed");
        Process process = run.start("train");
        try {
            waitForState(run, 3 * INTERVAL, process);
        } finally {
            process.destroyForcibly().waitFor();
        }
        assertThat(process.exitValue()).isEqualTo(128 + 9);

        assertThat(ends(run, "train", "--attempt", "2")).contains("going on from step");

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
        ends(run, "prepare");
        TreeMap<String, String> whole = TinyRun.digests(run.workspace().resolve("dataset"));
        assertThat(whole).isEqualTo(TinyRun.digests(undisturbed.workspace().resolve("dataset")));
        Folders.delete(run.workspace());
    }
}
