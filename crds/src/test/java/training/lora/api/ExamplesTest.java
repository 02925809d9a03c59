package training.lora.api;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The examples by the rules that the command line has; what an API server says of them is tried against one. */
class ExamplesTest {
    private static final Path EXAMPLES = Path.of("../examples");

    @ParameterizedTest
    @MethodSource("valid")
    void validExampleHasNoProblem(Path file) throws IOException {
        assertThat(problems(file)).isEmpty();
    }

    @ParameterizedTest
    @MethodSource("invalid")
    void invalidExampleIsRefusedAndSaysWhatToExpect(Path file) throws IOException {
        assertThat(Files.readAllLines(file).get(0)).matches("# expect: .*\\S");
        assertThat(problems(file)).isNotEmpty();
    }

    static Stream<Path> valid() throws IOException {
        try (Stream<Path> folders = Files.list(EXAMPLES)) {
            return folders.map(f -> f.resolve("training.yaml")).filter(Files::isRegularFile).sorted().toList().stream();
        }
    }

    static Stream<Path> invalid() throws IOException {
        try (Stream<Path> files = Files.list(EXAMPLES.resolve("invalid"))) {
            return files.filter(f -> f.toString().endsWith(".yaml")).sorted().toList().stream();
        }
    }

    private static List<String> problems(Path file) throws IOException {
        JsonNode resource = Json.STRICT_YAML.readTree(file.toFile());
        if (resource.at("/metadata/name").asText().length() > 50) {
            return List.of("`metadata.name` must have at most 50 characters");
        }
        if (!resource.has("spec")) {
            return List.of("`spec` must be given");
        }
        try {
            return SpecValidator.problems(Json.STRICT_YAML.treeToValue(resource.get("spec"), LoraTrainingSpec.class));
        } catch (JsonProcessingException e) {
            return List.of(e.getOriginalMessage());
        }
    }
}
