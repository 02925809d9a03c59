package training.lora.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.local.kubelet.Folders;

/** ./demo, cut off; what it does when it is let be is checked by what it leaves. */
class DemoTest {
    private static final Path OUTPUT = TestCluster.HOME.resolve("demo-output");

    private final List<Path> before = outputs();

    private static List<Path> outputs() {
        try (Stream<Path> all = Files.exists(OUTPUT) ? Files.list(OUTPUT) : Stream.empty()) {
            return all.sorted().toList();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @AfterEach
    void tidy() throws IOException {
        for (Path folder : outputs()) {
            if (!before.contains(folder)) {
                Folders.delete(folder);
            }
        }
    }

    private static Process demo(Path log, String... arguments) throws IOException {
        // A test run in the background inherits an ignored SIGINT, which the demo would inherit in turn.
        List<String> command = Stream.concat(
                        Stream.of(
                                "env",
                                "--default-signal=INT",
                                TestCluster.HOME.resolve("demo").toString()),
                        Stream.of(arguments))
                .toList();
        return new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
    }

    private static String untilItSays(Path log, String text, Process process) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(300);
        while (!Files.readString(log).contains(text)) {
            assertThat(process.isAlive() && System.nanoTime() < end)
                    .as(Files.readString(log))
                    .isTrue();
            Thread.sleep(50);
        }
        return Files.readString(log);
    }

    private static void interrupt(Process process) throws Exception {
        assertThat(new ProcessBuilder("kill", "-INT", Long.toString(process.pid()))
                        .start()
                        .waitFor())
                .isZero();
    }

    @Test
    void interruptEndsEveryProcessAndLeavesTheLogs(@TempDir Path dir) throws Exception {
        Path log = dir.resolve("log");
        // Prepared at once, and trained for longer than the test takes.
        String quick = Files.readString(Path.of("src/test/resources/quick.yaml"));
        Path file = Files.writeString(dir.resolve("long.yaml"), quick.replace("steps: 4", "steps: 10000"));
        Process demo = demo(log, file.toString());
        untilItSays(log, "Train 0/", demo);
        List<ProcessHandle> family = demo.descendants().toList();
        assertThat(family).as("operator and trainer").hasSizeGreaterThanOrEqualTo(2);

        interrupt(demo);

        assertThat(demo.waitFor(120, TimeUnit.SECONDS)).isTrue();
        assertThat(demo.exitValue()).isEqualTo(130);
        assertThat(family).noneMatch(ProcessHandle::isAlive);
        Path output =
                outputs().stream().filter(o -> !before.contains(o)).findFirst().orElseThrow();
        assertThat(output.resolve("logs/operator.log")).isNotEmptyFile();
        assertThat(output.resolve("cluster")).doesNotExist();
        assertThat(output.resolve("manifest.json")).doesNotExist();
    }

    @Test
    void wrongFileIsRefusedInOneSentenceAndLeavesNothing(@TempDir Path dir) throws Exception {
        Path file = Files.writeString(dir.resolve("wrong.yaml"), "kind: Pod");

        Process demo = demo(dir.resolve("log"), file.toString());

        assertThat(demo.waitFor(180, TimeUnit.SECONDS)).isTrue();
        assertThat(demo.exitValue()).isEqualTo(1);
        assertThat(dir.resolve("log"))
                .hasContent("demo: " + file + " must hold one resource of kind LoraTraining, was Pod\n");
        assertThat(outputs()).isEqualTo(before);
    }
}
