package training.lora.e2e.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import training.lora.e2e.Trainings;

/** Every example before a real API server: its schema, defaults and CEL rules. */
@ClusterTest
class ExamplesTest {
    private static final Path EXAMPLES = Scripts.HOME.resolve("examples");

    private final RealCluster cluster;
    private final String namespace;

    ExamplesTest(RealCluster cluster) {
        this.cluster = cluster;
        namespace = cluster.namespace("examples");
    }

    static Stream<Path> valid() throws IOException {
        return yaml(2, "training.yaml");
    }

    static Stream<Path> invalid() throws IOException {
        return yaml(1, ".yaml");
    }

    private static Stream<Path> yaml(int depth, String end) throws IOException {
        Path from = depth == 1 ? EXAMPLES.resolve("invalid") : EXAMPLES;
        try (Stream<Path> all = Files.walk(from, depth)) {
            return all.filter(f -> f.toString().endsWith(end)).sorted().toList().stream();
        }
    }

    @ParameterizedTest
    @MethodSource("valid")
    void validExampleIsTaken(Path file) {
        var result = cluster.kubectl("-n", namespace, "apply", "--server-side", "-f", file.toString());

        assertThat(result.code()).as(result.output()).isZero();
        assertThat(result.output()).doesNotContain("Warning");
    }

    @ParameterizedTest
    @MethodSource("invalid")
    void invalidExampleIsRefusedWithItsMessage(Path file) throws Exception {
        List<String> expected = Trainings.expectedMessages(file);

        var result = cluster.kubectl("-n", namespace, "apply", "-f", file.toString());

        assertThat(result.code()).isNotZero();
        assertThat(expected).isNotEmpty();
        assertThat(result.output()).contains(expected);
    }
}
