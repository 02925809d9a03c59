package training.lora.operator.chart;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;

/** helm, by the variable LORA_HELM or from PATH. */
final class Helm {
    static final Path CHART =
            Path.of("../charts/lora-operator").toAbsolutePath().normalize();

    private static final String COMMAND = Objects.requireNonNullElse(System.getenv("LORA_HELM"), "helm");

    private Helm() {}

    record Result(int code, String output) {
        String ok() {
            assertThat(code).as(output).isZero();
            return output;
        }
    }

    /** Skips the test where there is no helm. */
    static void require() {
        int code;
        try {
            code = run("version").code;
        } catch (IOException | InterruptedException e) {
            code = 1;
        }
        assumeTrue(
                code == 0,
                "helm must be in PATH or named by LORA_HELM, as .ci/run does: the chart is not rendered here");
    }

    /** Without hooks and NOTES. */
    static String template(String... arguments) throws IOException, InterruptedException {
        List<String> all =
                new ArrayList<>(List.of("template", "lora-operator", CHART.toString(), "--namespace", "lora-system"));
        all.addAll(List.of(arguments));
        return run(all.toArray(String[]::new)).ok();
    }

    static Result run(String... arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(COMMAND));
        command.addAll(List.of(arguments));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        process.waitFor(60, TimeUnit.SECONDS);
        return new Result(process.exitValue(), output);
    }
}
