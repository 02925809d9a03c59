package training.lora.e2e.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fabric8.kubernetes.api.model.ServiceAccountBuilder;
import io.fabric8.kubernetes.api.model.node.v1.RuntimeClassBuilder;
import io.fabric8.kubernetes.api.model.scheduling.v1.PriorityClassBuilder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import training.lora.api.Json;

/** The Jobs that the operator's unit tests compare, before a real API server that holds pods to all that it checks. */
@ClusterTest
class StagePodsTest {
    private static final Path JOBS =
            Scripts.HOME.resolve("operator/src/test/resources/training/lora/operator/plan/stage-jobs");
    private static final String TEMPLATE =
            "{\"apiVersion\":\"lora.training/v1alpha1\",\"kind\":\"LoraTraining\",\"metadata\":{\"name\":\"t\"},\"spec\":{"
                    + "\"baseModel\":{\"uri\":\"bundled://emoji-sd\"},\"datasets\":[{\"uri\":\"bundled://fluent-style\"}],"
                    + "\"runtime\":{\"stages\":[{\"name\":\"Train\",\"podTemplate\":{\"spec\":%s}}]}}}";

    private final RealCluster cluster;
    private final String namespace;

    @TempDir
    Path folder;

    StagePodsTest(RealCluster cluster) {
        this.cluster = cluster;
        namespace = cluster.namespace("stage-pods");
        var client = cluster.client();
        client.resource(new ServiceAccountBuilder()
                        .withNewMetadata()
                        .withNamespace(namespace)
                        .withName("reader")
                        .endMetadata()
                        .build())
                .create();
        client.resource(new PriorityClassBuilder()
                        .withNewMetadata()
                        .withName("training")
                        .endMetadata()
                        .withValue(5)
                        .build())
                .create();
        client.resource(new RuntimeClassBuilder()
                        .withNewMetadata()
                        .withName("nvidia")
                        .endMetadata()
                        .withHandler("nvidia")
                        .build())
                .create();
    }

    static Stream<Path> jobs() throws IOException {
        try (Stream<Path> files = Files.walk(JOBS)) {
            return files
                    .filter(f -> f.toString().endsWith(".yaml"))
                    .filter(f -> !f.endsWith("training.yaml"))
                    .sorted()
                    .toList()
                    .stream();
        }
    }

    /** Strict about fields, restricted Pod Security, service account, priority and runtime class. */
    @ParameterizedTest
    @MethodSource("jobs")
    void aStagesJobAndItsPodAreTaken(Path file) throws IOException {
        ObjectNode job = (ObjectNode) Json.STRICT_YAML.readTree(file.toFile());
        ((ObjectNode) job.get("metadata")).put("namespace", namespace).remove("ownerReferences");
        ObjectNode pod = job.at("/spec/template").deepCopy();
        pod.put("apiVersion", "v1").put("kind", "Pod");
        ((ObjectNode) pod.get("metadata")).put("namespace", namespace).put("name", "pod");

        for (JsonNode object : List.of(job, pod)) {
            var result = create(object.toString());

            assertThat(result.code()).as(result.output()).isZero();
            assertThat(result.output()).doesNotContain("Warning");
        }
    }

    @Test
    void aPodTemplatesFieldsAreCheckedAndExplained() throws IOException {
        assertThat(create(TEMPLATE.formatted("{\"tolerations\":[{\"kee\":\"a\"}]}"))
                        .output())
                .contains("unknown field \"spec.runtime.stages[0].podTemplate.spec.tolerations[0].kee\"");
        assertThat(create(TEMPLATE.formatted("{\"nodeSelector\":[]}")).output())
                .contains("spec.runtime.stages[0].podTemplate.spec.nodeSelector in body must be of type object");
        assertThat(cluster.kubectl("explain", "loratraining.spec.runtime.stages.podTemplate.spec.tolerations")
                        .output())
                .contains("tolerationSeconds");
    }

    @Test
    void aFieldThatThePlatformMayAllowIsKept() throws IOException {
        var result = create(TEMPLATE.formatted("{\"volumes\":[{\"name\":\"a\",\"emptyDir\":{}}]}"), "-o", "yaml");

        assertThat(result.code()).as(result.output()).isZero();
        assertThat(result.output()).contains("volumes:").contains("emptyDir: {}");
    }

    private Scripts.Result create(String json, String... more) throws IOException {
        Path file = Files.writeString(folder.resolve("object.json"), json);
        return cluster.kubectl(Stream.concat(
                        Stream.of(
                                "-n",
                                namespace,
                                "create",
                                "--dry-run=server",
                                "--validate=strict",
                                "-f",
                                file.toString()),
                        Stream.of(more))
                .toArray(String[]::new));
    }
}
