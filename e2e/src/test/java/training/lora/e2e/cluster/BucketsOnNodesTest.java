package training.lora.e2e.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.SecretBuilder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Artifact;
import training.lora.api.Json;
import training.lora.api.LoraTraining;
import training.lora.e2e.Trainings;

/** Pictures from a bucket, and the LoRA into a bucket. */
@ClusterTest
class BucketsOnNodesTest {
    private static final Path EXAMPLE = Scripts.HOME.resolve("examples/blue-ink/training.yaml");
    private static final String NAME = "from-a-bucket";
    private static final String OUTPUT = "s3://results/ink";

    private final NodesCluster cluster;
    private final String namespace;
    private BucketServer buckets;

    @TempDir
    static Path dir;

    BucketsOnNodesTest(NodesCluster cluster) {
        this.cluster = cluster;
        namespace = cluster.namespace("buckets");
    }

    @BeforeAll
    void start() throws IOException, InterruptedException {
        buckets = new BucketServer(Files.createDirectories(dir.resolve("s3")));
        buckets.put(Scripts.HOME.resolve("examples/bundled/blue-ink"), "pictures", "ink");
        buckets.bucket("results");
        cluster.client()
                .resource(new SecretBuilder()
                        .withNewMetadata()
                        .withNamespace(namespace)
                        .withName("buckets")
                        .addToLabels("lora.training/allow", "true")
                        .endMetadata()
                        .withStringData(buckets.credentials())
                        .build())
                .create();
        cluster.operator().apply("sources.allow={" + BucketServer.HOST + "}");
    }

    @AfterAll
    void stop() {
        buckets.close();
        cluster.operator().apply();
    }

    private static void shorten(GenericKubernetesResource resource) {
        Map<String, Object> spec = Kube.spec(resource);
        Map<String, Object> secret = Map.of("name", "buckets");
        spec.put("datasets", List.of(Map.of("name", "main", "uri", "s3://pictures/ink", "secretRef", secret)));
        spec.put("output", Map.of("uri", OUTPUT, "secretRef", secret));
        spec.put(
                "training",
                Map.of(
                        "steps",
                        12,
                        "batchSize",
                        4,
                        "seed",
                        0,
                        "precision",
                        "Float32",
                        "checkpoints",
                        Map.of("everySteps", 6)));
        spec.put("sampling", Map.of("enabled", false));
        spec.put("evaluation", Map.of("enabled", false));
    }

    private LoraTraining train() {
        cluster.volume(namespace, NAME + "-workspace");
        cluster.apply(EXAMPLE, namespace, NAME, resource -> {
            shorten(resource);
            Map<String, Object> runtime = new HashMap<>();
            runtime.put("stages", List.of(Kube.on("Prepare", "node-1"), Kube.on("Train", "node-2")));
            Kube.spec(resource).put("runtime", runtime);
        });
        LoraTraining done = cluster.await(namespace, NAME, Trainings::isOver);
        assertThat(Trainings.is(done, "Complete"))
                .as(String.valueOf(done.getStatus()))
                .isTrue();
        return done;
    }

    @Test
    void trainedOnTwoNodesFromOneBucketIntoAnotherItBecomesWhatALaptopMakesAndIsNotTrainedAgain() throws IOException {
        LoraTraining done = train();

        Map<String, String> digests = new TreeMap<>();
        for (Artifact artifact : done.getStatus().artifacts()) {
            assertThat(artifact.uri()).startsWith(OUTPUT + "/");
            String path = artifact.uri().substring(OUTPUT.length() + 1);
            assertThat(buckets.bucket("results").resolve("ink").resolve(path)).hasSize(artifact.sizeBytes());
            if (artifact.format() != null) {
                digests.put(path, artifact.sha256());
            }
        }
        assertThat(digests).isNotEmpty();
        assertThat(cluster.nodesOf(namespace, NAME))
                .containsEntry(NAME + "-prepare-1", "node-1")
                .containsEntry(NAME + "-train-1", "node-2");
        JsonNode manifest = Json.MAPPER.readTree(
                buckets.bucket("results").resolve("ink/manifest.json").toFile());
        assertThat(manifest.get("finished").asBoolean()).isTrue();

        assertThat(onThisMachine()).containsAllEntriesOf(digests);

        // The resource, its workspace and its volume go, as GitOps and a clean-up do it; what is in the bucket stays.
        cluster.kubectl("-n", namespace, "delete", "loratraining", NAME, "--timeout=2m")
                .ok();
        cluster.forgetVolume(namespace, NAME + "-workspace");
        LoraTraining again = train();
        assertThat(cluster.jobs(namespace, NAME)).containsExactly(NAME + "-prepare-1");
        assertThat(again.getStatus().artifacts())
                .extracting(Artifact::sha256)
                .containsExactlyInAnyOrderElementsOf(done.getStatus().artifacts().stream()
                        .map(Artifact::sha256)
                        .toList());
    }

    /** The same file, but for its output. */
    private Map<String, String> onThisMachine() throws IOException {
        Path secrets = dir.resolve("secrets");
        Path secret = Files.createDirectories(secrets.resolve("buckets"));
        for (Map.Entry<String, String> entry : buckets.credentials().entrySet()) {
            Files.writeString(secret.resolve(entry.getKey()), entry.getValue());
        }
        return LocalRun.digests(
                cluster,
                EXAMPLE,
                dir.resolve("local"),
                resource -> {
                    shorten(resource);
                    resource.getMetadata().setNamespace(namespace);
                    resource.getMetadata().setName(NAME);
                },
                Map.of("LORA_SECRETS", secrets.toString()));
    }
}
