package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Reason;
import training.lora.trainer.Goldens;
import training.lora.trainer.files.Folders;

/** Budgets of memory, each of a training in a process of its own whose highest resident size is looked at. */
@Timeout(value = 1800, unit = TimeUnit.SECONDS)
class MemoryBudgetTest {
    private static final String BASE = "baseModel: {uri: '"
            + Goldens.BUNDLED.resolve("emoji-sd").toAbsolutePath().normalize()
            + "'}\n  preparation: {resolution: 384}";

    private static final Pattern LEAST = Pattern.compile("`spec.training.memoryBudget` must be at least (\\d+)Mi, ");
    private static final Pattern PEAK = Pattern.compile("peak memory (\\d+) MB");

    @TempDir
    Path folder;

    private static String group(Pattern pattern, String text) {
        Matcher matcher = pattern.matcher(text);
        assertThat(matcher.find()).as(text).isTrue();
        return matcher.group(1);
    }

    /** Trains within so many MiB, and returns the process's log. */
    private static String trainWithin(TinyRun run, long budget) throws Exception {
        List<String> environment = Files.readAllLines(Path.of("../bin/trainer.env")).stream()
                .filter(line -> line.matches("[A-Z_]+=.*"))
                .toList();
        Files.deleteIfExists(run.log());
        Process process = run.startWith(environment, "train", "--set", "training.memoryBudget=" + budget + "Mi");
        assertThat(process.waitFor(900, TimeUnit.SECONDS)).isTrue();
        String log = Files.readString(run.log());
        assertThat(process.exitValue()).as(log).isZero();
        assertThat(Long.parseLong(group(PEAK, log)) * 1_000_000)
                .as("within %d MiB: %s", budget, log)
                .isLessThanOrEqualTo(budget << 20);
        Folders.delete(run.workspace().resolve("train"));
        run.unpublish();
        return log;
    }

    @Test
    void trainingsStayWithinThreeBudgetsAndOneTooSmallIsRefused() throws Exception {
        TinyRun run = TinyRun.create(
                folder, BASE, "steps: 1, batchSize: 3, precision: Float32", "{enabled: false}", "{enabled: false}");
        assertThat(run.run("prepare").code()).isZero();

        Ran refused = run.run("train", "--set", "training.memoryBudget=64Mi");
        assertThat(refused.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(refused.error()).contains(", the least that this training takes, was 64Mi");
        long least = Long.parseLong(group(LEAST, refused.error()));

        // The bundled model has 44 MiB of weights, of which int8 saves a part.
        assertThat(trainWithin(run, least))
                .contains("by gradientCheckpointing, ")
                .contains("and baseWeights Int8, ");
        assertThat(trainWithin(run, least + 48))
                .contains("by gradientCheckpointing, ")
                .doesNotContain("baseWeights Int8");
        assertThat(trainWithin(run, least + 1024)).contains("by the settings as they are");
    }
}
