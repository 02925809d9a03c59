package training.lora.operator.chart;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MappingIterator;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.io.IOException;
import java.io.InputStream;
import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import training.lora.operator.ConfiguredPods;
import training.lora.operator.OperatorUrl;
import training.lora.operator.TestConfig;

/**
 * The chart, rendered. A golden is a file NAME.yaml beside the values NAME.values.yaml; {@code -Dgolden.update=true}
 * writes goldens and {@code deploy/} anew.
 */
final class ChartTest {
    private static final Path GOLDENS = Path.of("src/test/resources/training/lora/operator/chart");
    private static final Path DEPLOY = Path.of("../deploy");
    private static final YAMLMapper YAML = new YAMLMapper();

    @BeforeAll
    static void helm() {
        Helm.require();
    }

    static Stream<String> cases() throws IOException {
        try (Stream<Path> files = Files.list(GOLDENS)) {
            return files
                    .map(f -> f.getFileName().toString())
                    .filter(f -> f.endsWith(".values.yaml"))
                    .map(f -> f.replace(".values.yaml", ""))
                    .sorted()
                    .toList()
                    .stream();
        }
    }

    /** The CRD is left out, which has a test of its own. */
    @ParameterizedTest
    @MethodSource("cases")
    void theChartIsRenderedAsItsGolden(String name) throws Exception {
        String rendered = Helm.template(
                "--values", GOLDENS.resolve(name + ".values.yaml").toString(), "--set", "crds.install=false");

        compare(GOLDENS.resolve(name + ".yaml"), rendered);
    }

    @Test
    void everyGoldenIsCompared() throws IOException {
        try (Stream<Path> files = Files.list(GOLDENS)) {
            assertThat(files.map(f -> f.getFileName().toString().replaceAll("(\\.values)?\\.yaml$", "")))
                    .isSubsetOf(cases().toList());
        }
    }

    @Test
    void lintFindsNothing() throws Exception {
        Helm.Result lint = Helm.run("lint", "--strict", Helm.CHART.toString());

        assertThat(lint.code()).as(lint.output()).isZero();
    }

    @Test
    void theCrdIsTheGeneratedOneAndIsKept() throws Exception {
        JsonNode crd =
                documents(Helm.template("--show-only", "templates/crd.yaml")).get(0);

        assertThat(crd.at("/metadata/annotations/helm.sh~1resource-policy").asText())
                .isEqualTo("keep");
        assertThat(crd.get("spec"))
                .isEqualTo(YAML.readTree(Helm.CHART.resolve("files/crd.yaml").toFile())
                        .get("spec"));
        assertThat(Helm.template("--set", "crds.keep=false", "--show-only", "templates/crd.yaml"))
                .doesNotContain("resource-policy");
    }

    /** What people without helm apply. */
    @Test
    void deployIsTheRenderedChart() throws Exception {
        String rendered = Helm.template("--skip-tests", "--set", "crds.install=false");

        compare(
                DEPLOY.resolve("operator.yaml"),
                rendered.replaceAll("(?m)^( +app.kubernetes.io/managed-by: )Helm$", "$1kustomize")
                        .replaceAll("(?m)^ +helm.sh/chart: .*\n", ""));
    }

    /** One place for each default: the chart shows the operator's own. */
    @Test
    void defaultsAreTheOperatorsOwn() throws Exception {
        Properties shipped = new Properties();
        try (InputStream file = Files.newInputStream(Path.of("src/main/resources/application.properties"))) {
            shipped.load(file);
        }
        Properties chart = settings(Helm.template("--show-only", "templates/config.yaml"));

        assertThat(chart.stringPropertyNames()).anyMatch(n -> n.startsWith("lora.defaults."));
        shipped.stringPropertyNames().stream()
                .filter(n -> n.startsWith("lora.defaults."))
                .forEach(n -> assertThat(chart.getProperty(n)).as(n).isEqualTo(shipped.getProperty(n)));
    }

    /** A name that the operator doesn't know would be ignored in silence. */
    @Test
    void theOperatorReadsItsSettings() throws Exception {
        Properties chart = settings(Helm.template(
                "--show-only",
                "templates/config.yaml",
                "--set",
                "trainer.fsGroup=null,trainer.gpuNodeSelector.card=yes,stages.train.resources.limits.cpu=null",
                "--set",
                "sources.hfEndpoint=https://hub.lan,sources.proxy=http://proxy.lan:3128,sources.noProxy={.svc,minio.lan}",
                "--set",
                "sources.caBundle.configMap=authorities,sources.allow={minio.lan:9000,10.20.0.0/16},sources.limit=1Gi",
                "--set",
                "s3.endpoint=https://minio.lan:9000,s3.region=eu-1,s3.pathStyle=true"));
        var config = TestConfig.of(chart.stringPropertyNames().stream()
                .collect(Collectors.toMap(
                        n -> n.toUpperCase(java.util.Locale.ROOT).replaceAll("[^A-Z0-9]", "_"), chart::getProperty)));
        var pods = ConfiguredPods.of(config);

        assertThat(pods.fsGroup()).isNull();
        assertThat(pods.user()).isEqualTo(1001);
        assertThat(pods.gpuNodeSelector()).containsEntry("card", "yes");
        assertThat(pods.authorities()).isEqualTo("lora-operator-ca");
        assertThat(pods.defaultResources().get(training.lora.api.Stage.Train).limits())
                .doesNotContainKey("cpu")
                .containsKey("memory");
        assertThat(pods.environment())
                .isEqualTo(Map.of(
                        "HF_ENDPOINT", "https://hub.lan",
                        "HTTPS_PROXY", "http://proxy.lan:3128",
                        "HTTP_PROXY", "http://proxy.lan:3128",
                        "NO_PROXY", ".svc,minio.lan",
                        "LORA_CA_BUNDLE", "/run/lora/ca/bundle.crt",
                        "LORA_SOURCES_ALLOW", "minio.lan:9000,10.20.0.0/16",
                        "LORA_SOURCES_LIMIT", "1073741824",
                        "AWS_ENDPOINT_URL", "https://minio.lan:9000",
                        "AWS_REGION", "eu-1",
                        "LORA_S3_PATH_STYLE", "true"));
        assertThat(OperatorUrl.hosts(config)).contains("lora-operator.lora-system.svc");
        assertThat(config.leaderElection().enabled()).isTrue();
        assertThat(chart.getProperty("quarkus.http.insecure-requests")).isEqualTo("disabled");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "replicas=-1|replicas: Must be greater than or equal to 0",
                "image.digest=latest|image.digest: Does not match pattern",
                "tls.source=acme|tls.source must be one of the following",
                "tls.source=secret|tls.secretName: String length must be greater than or equal to 1",
                "tls.life=90d|tls.life: Does not match pattern",
                "watchNamespaces={A b}|watchNamespaces.0: Does not match pattern",
                "stages.train.resources.limits.nvidia=1|Additional property nvidia is not allowed",
                "sources.proxy=proxy:3128|sources.proxy: Does not match pattern",
                "sources.allow={a b}|sources.allow.0: Does not match pattern",
                "s3.endpoint=https://key:secret@minio.lan|s3.endpoint: Does not match pattern",
                "trainer.runAsUser=0|trainer.runAsUser: Must be greater than or equal to 1",
                "replica=2|Additional property replica is not allowed"
            })
    void aWrongValueIsNamed(String value, String message) throws Exception {
        Helm.Result result = Helm.run("template", "lora-operator", Helm.CHART.toString(), "--set", value);

        assertThat(result.code()).isNotZero();
        assertThat(result.output()).contains(message);
    }

    private static Properties settings(String configMap) throws IOException {
        Properties properties = new Properties();
        properties.load(new StringReader(
                documents(configMap).get(0).at("/data/application.properties").asText()));
        return properties;
    }

    private static List<JsonNode> documents(String yaml) throws IOException {
        try (MappingIterator<JsonNode> all =
                YAML.readerFor(new TypeReference<JsonNode>() {}).readValues(yaml)) {
            return all.readAll();
        }
    }

    private static void compare(Path golden, String text) throws IOException {
        if (Boolean.getBoolean("golden.update")) {
            Files.writeString(golden, text);
        }
        assertThat(text).isEqualTo(Files.readString(golden));
    }
}
