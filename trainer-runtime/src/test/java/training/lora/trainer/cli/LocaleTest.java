package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.Reason;

/** The trainer in the locales of other people's machines. */
class LocaleTest {
    private static final String[] DRAWING = {"--set", "sampling.enabled=true", "--set", "sampling.steps=2"};

    @TempDir
    static Path folder;

    private static TinyRun tiny;

    @BeforeAll
    static void run() throws Exception {
        tiny = TinyRun.create(folder, "steps: 2, adapter: {rank: 2}, checkpoints: {everySteps: 1}");
        assertThat(tiny.run("run", DRAWING).code()).isZero();
    }

    private static int code(Process process) throws InterruptedException {
        assertThat(process.waitFor(300, TimeUnit.SECONDS)).isTrue();
        return process.exitValue();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "-Duser.language=fa -Duser.country=IR",
                "-Duser.language=ar -Duser.country=EG -Duser.extensions=u-nu-arab"
            })
    void runIsTheSameWhereDigitsAreOthers(String options) throws Exception {
        TinyRun there = tiny.in(Files.createTempDirectory(folder, "there"));

        int code = code(there.start(List.of("env", "JAVA_TOOL_OPTIONS=" + options), "run", DRAWING));

        assertThat(code).as(Files.readString(there.log())).isZero();
        assertThat(there.lora()).isEqualTo(tiny.lora());
        assertThat(TinyRun.digests(there.workspace().resolve("output")).keySet())
                .isEqualTo(TinyRun.digests(tiny.workspace().resolve("output")).keySet());
        for (String name : List.of("loss.png", "samples.png", "workflow.json")) {
            assertThat(there.workspace().resolve("output").resolve(name))
                    .hasSameBinaryContentAs(tiny.workspace().resolve("output").resolve(name));
        }
        for (String name : List.of("output/manifest.json", "events.jsonl", "process.log")) {
            assertThat(Files.readString(there.workspace().resolve(name)))
                    .as(name)
                    .doesNotContainPattern("[\\p{Nd}&&[^0-9]]");
        }
    }

    @Test
    void processInALocaleThatIsNotUtf8SaysSoInOneLine() throws Exception {
        TinyRun there = tiny.in(folder.resolve("ascii"));

        int code = code(there.start(List.of("env", "LC_ALL=C"), "prepare"));

        assertThat(code).isEqualTo(Reason.InvalidConfiguration.exitCode());
        // The Java machine may say which options it took, and each system has a name of its own for ASCII.
        assertThat(Files.readAllLines(there.log()))
                .filteredOn(line -> !line.startsWith("Picked up "))
                .singleElement()
                .asString()
                .matches(
                        "lora-trainer: the process must be started in a UTF-8 locale, such as with LC_ALL=C\\.UTF-8 in its"
                                + " environment, but file names and arguments are \\S+ in its own");
        assertThat(there.workspace().resolve("dataset")).doesNotExist();
    }
}
