package training.lora.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import training.lora.local.LocalCluster;

/** The examples by an unmodified kubectl, from LORA_KUBECTL or PATH. Nothing runs: there is no operator. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class KubectlTest {
    private static final Path EXAMPLES = TestCluster.HOME.resolve("examples");

    private LocalCluster cluster;
    private Path dir;

    private record Result(int code, String output) {}

    @BeforeAll
    void start(@TempDir Path temporary) throws Exception {
        dir = temporary;
        cluster = LocalCluster.start(temporary, java.util.Map.of());
        cluster.installCrd();
        assumeTrue(isThere(), "no kubectl in PATH or LORA_KUBECTL");
    }

    @AfterAll
    void stop() {
        cluster.close();
    }

    private boolean isThere() throws InterruptedException {
        try {
            return kubectl("version", "--client").code() == 0;
        } catch (IOException e) {
            return false;
        }
    }

    private Result kubectl(String... arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(System.getenv().getOrDefault("LORA_KUBECTL", "kubectl")));
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().put("KUBECONFIG", cluster.kubeconfig().toString());
        builder.environment().put("KUBECACHEDIR", dir.resolve("cache").toString());
        builder.environment().put("NO_PROXY", "127.0.0.1");
        Process process = builder.start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Result(process.waitFor(), output);
    }

    static Stream<Path> invalid() throws IOException {
        return Files.list(EXAMPLES.resolve("invalid"))
                .filter(f -> f.toString().endsWith(".yaml"))
                .sorted();
    }

    @ParameterizedTest
    @MethodSource("invalid")
    void invalidExampleIsRefusedWithTheFieldInTheMessage(Path file) throws Exception {
        List<String> expected = Trainings.expectedMessages(file).stream()
                .map(KubectlTest::field)
                .toList();

        Result result = kubectl("apply", "-f", file.toString());

        assertThat(result.code()).isNotZero();
        assertThat(expected).isNotEmpty();
        assertThat(result.output()).contains(expected);
    }

    /** Of a message about the schema but its field: the embedded server says the rest in words of its own. */
    private static String field(String expected) {
        return expected.replaceFirst("^(spec[^ :]*)( in body|:) .*", "$1");
    }

    @Test
    void exampleIsAppliedExplainedAndPrinted() throws Exception {
        Result applied = kubectl(
                "apply", "-f", EXAMPLES.resolve("blue-ink/training.yaml").toString());
        Result again = kubectl(
                "apply", "-f", EXAMPLES.resolve("blue-ink/training.yaml").toString());

        Result concepts = kubectl(
                "apply", "-f", EXAMPLES.resolve("two-concepts/training.yaml").toString());

        assertThat(concepts.code()).as(concepts.output()).isZero();
        assertThat(kubectl("get", "lt", "two-concepts", "-o", "jsonpath={.spec.training}")
                        .output())
                .contains("\"epochs\":50")
                .doesNotContain("\"steps\"");
        assertThat(applied.output()).isEqualTo("loratraining.lora.training/blue-ink created\n");
        // It says "configured", since lists with defaults in their entries are in the patch.
        assertThat(again.code()).as(again.output()).isZero();
        assertThat(kubectl("get", "lt", "blue-ink", "-o", "jsonpath={.metadata.generation}")
                        .output())
                .isEqualTo("1");
        assertThat(kubectl("explain", "loratraining.spec.training.steps").output())
                .contains("Optimizer steps");
        assertThat(kubectl("get", "lt", "blue-ink").output())
                .containsPattern("NAME +MODEL +STAGE +PROGRESS +LOSS +LEFT +SCORE +AGE\nblue-ink ");
        assertThat(kubectl("get", "lt", "blue-ink", "-o", "jsonpath={.spec.training.gradientAccumulation}")
                        .output())
                .isEqualTo("1");
    }
}
