package training.lora.local;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.dsl.FieldValidateable;
import io.fabric8.kubernetes.client.utils.Serialization;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import training.lora.api.Json;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.SpecValidator;

/** What the documents show is what works: resources, commands, fields, links. */
final class DocsTest {
    private static final Path HOME = Path.of("..").toAbsolutePath().normalize();
    private static final Pattern BLOCK = Pattern.compile("(?ms)^```(\\w+)\\n(.*?)^```$");
    private static final Pattern LINK = Pattern.compile("]\\(([^)#:]+)(?:#[^)]*)?\\)");

    private static LocalCluster cluster;

    @BeforeAll
    static void start(@TempDir Path dir) throws IOException {
        cluster = LocalCluster.start(dir, Map.of());
        cluster.installCrd();
    }

    @AfterAll
    static void stop() {
        cluster.close();
    }

    /** A block of a document, or a line of it. */
    record Part(String document, String text) {}

    @ParameterizedTest
    @MethodSource("trainings")
    void aTrainingOfADocumentIsTakenAsItIs(Part yaml) throws IOException {
        KubernetesClient client = cluster.client();
        GenericKubernetesResource training = Serialization.unmarshal(yaml.text(), GenericKubernetesResource.class);
        training.getMetadata().setNamespace("default");

        client.resource(training)
                .fieldValidation(FieldValidateable.Validation.STRICT)
                .create();

        JsonNode spec = Json.STRICT_YAML.readTree(yaml.text()).get("spec");
        assertThat(SpecValidator.problems(Json.STRICT_YAML.treeToValue(spec, LoraTrainingSpec.class)))
                .isEmpty();
    }

    @ParameterizedTest
    @MethodSource("commands")
    void aCommandOfADocumentExists(Part line) throws IOException {
        String[] words = line.text().split("\\s+");
        switch (words[0]) {
            case "bin/lora-trainer" ->
                assertThat(sources("trainer-runtime/src/main/java/training/lora/trainer/cli"))
                        .contains("name = \"" + words[1] + "\"");
            case "./demo" ->
                assertThat(exists(words[1])
                                || sources("local/src/main/java/training/lora/local/demo")
                                        .contains("name = \"" + words[1] + "\""))
                        .isTrue();
            case "kubectl" -> {
                // Options may stand before the verb: -n NAMESPACE.
                int verb = 1;
                while (words[verb].startsWith("-")) {
                    verb += words[verb].contains("=") ? 1 : 2;
                }
                assertThat(words[verb])
                        .isIn(
                                "apply",
                                "get",
                                "wait",
                                "describe",
                                "patch",
                                "delete",
                                "logs",
                                "taint",
                                "create",
                                "explain",
                                "rollout");
            }
            case "helm" -> assertThat(words[1]).isIn("install", "upgrade", "uninstall", "test", "rollback", "template");
            case "skopeo" -> assertThat(words[1]).isEqualTo("copy");
            default -> assertThat(exists(words[0])).as(line.text()).isTrue();
        }
        for (String word : words) {
            if (word.matches("(examples|charts|deploy)/\\S+")) {
                assertThat(exists(word)).as(word).isTrue();
            }
        }
    }

    @ParameterizedTest
    @MethodSource("links")
    void aLinkLeadsToAFile(Part link) {
        Path document = HOME.resolve(link.document());
        assertThat(document.resolveSibling(link.text())).exists();
    }

    static Stream<Part> trainings() throws IOException {
        return blocks("yaml")
                .filter(b -> b.text().contains("kind: LoraTraining"))
                // README's is for a machine without a cluster: its paths are relative.
                .filter(b -> b.document().startsWith("docs/"));
    }

    static Stream<Part> commands() throws IOException {
        return blocks("sh")
                .flatMap(b -> b.text().lines().map(l -> new Part(b.document(), l)))
                .filter(l -> !l.text().isBlank() && !l.text().startsWith("#"));
    }

    static Stream<Part> links() throws IOException {
        List<Part> links = new ArrayList<>();
        for (Path document : documents()) {
            LINK.matcher(Files.readString(document))
                    .results()
                    .map(m -> new Part(HOME.relativize(document).toString(), m.group(1)))
                    .forEach(links::add);
        }
        return links.stream();
    }

    private static Stream<Part> blocks(String language) throws IOException {
        List<Part> blocks = new ArrayList<>();
        for (Path document : documents()) {
            for (MatchResult block :
                    BLOCK.matcher(Files.readString(document)).results().toList()) {
                if (block.group(1).equals(language)) {
                    blocks.add(new Part(HOME.relativize(document).toString(), block.group(2)));
                }
            }
        }
        return blocks.stream();
    }

    private static List<Path> documents() throws IOException {
        try (Stream<Path> docs = Files.list(HOME.resolve("docs"))) {
            return Stream.concat(Stream.of(HOME.resolve("README.md")), docs.filter(f -> f.toString()
                            .endsWith(".md")))
                    .sorted()
                    .toList();
        }
    }

    private static boolean exists(String path) {
        return Files.exists(HOME.resolve(path));
    }

    private static String sources(String folder) throws IOException {
        StringBuilder all = new StringBuilder();
        try (Stream<Path> files = Files.list(HOME.resolve(folder))) {
            for (Path file : files.toList()) {
                all.append(Files.readString(file));
            }
        }
        return all.toString();
    }
}
