package training.lora.e2e.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.Pod;
import java.nio.file.Path;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.LoraTraining;
import training.lora.api.Progress;
import training.lora.api.Stage;
import training.lora.api.StageStatus;
import training.lora.e2e.Trainings;

/** The demo's example, shortened, as pods; whatever happens to it, it becomes the files that it becomes on this machine. */
@ClusterTest
class TrainingOnNodesTest {
    private static final Path EXAMPLE = Scripts.HOME.resolve("examples/blue-ink/training.yaml");
    private static final String NAME = "blue-ink";
    private static final int STEPS = 48;
    private static final int CHECKPOINT = 6;
    private static final String OUT_OF_SERVICE = "node.kubernetes.io/out-of-service";

    private final NodesCluster cluster;
    private Map<String, String> expected = Map.of();

    TrainingOnNodesTest(NodesCluster cluster) {
        this.cluster = cluster;
    }

    @BeforeAll
    void train(@TempDir Path dir) {
        expected = LocalRun.digests(cluster, EXAMPLE, dir, TrainingOnNodesTest::shorten);
        assertThat(expected).isNotEmpty();
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> part(Map<String, Object> of, String name) {
        Map<String, Object> part = new HashMap<>((Map<String, Object>) of.getOrDefault(name, Map.of()));
        of.put(name, part);
        return part;
    }

    private static void shorten(GenericKubernetesResource resource) {
        Map<String, Object> spec = Kube.spec(resource);
        Map<String, Object> training = part(spec, "training");
        training.put("steps", STEPS);
        part(training, "checkpoints").put("everySteps", CHECKPOINT);
        part(part(training, "optimizer"), "schedule").put("warmupSteps", 2);
        part(spec, "sampling").put("steps", 2);
        spec.put("evaluation", Map.of("prompts", List.of(Map.of("text", "an emoji of a fox", "seed", 1))));
    }

    /** Applies it in a namespace of its own, with a volume for its workspace. */
    private String start(String namespace, Consumer<Map<String, Object>> runtime) {
        cluster.namespace(namespace);
        cluster.volume(namespace, NAME + "-workspace");
        cluster.apply(EXAMPLE, namespace, NAME, resource -> {
            shorten(resource);
            runtime.accept(part(Kube.spec(resource), "runtime"));
        });
        return namespace;
    }

    private LoraTraining awaitComplete(String namespace) {
        LoraTraining done = cluster.await(namespace, NAME, Trainings::isOver);
        assertThat(Trainings.is(done, "Complete"))
                .as(String.valueOf(done.getStatus()))
                .isTrue();
        return done;
    }

    private void mustHaveTheSameFiles(LoraTraining done) {
        Map<String, String> adapters = LocalRun.adapters(done);
        assertThat(adapters).isNotEmpty();
        assertThat(expected).containsAllEntriesOf(adapters);
    }

    /** Whether the training has written a checkpoint and goes on. */
    private static boolean hasCheckpoint(LoraTraining training) {
        Progress progress =
                training.getStatus() == null ? null : training.getStatus().progress();
        return progress != null
                && progress.stage() == Stage.Train
                && progress.step() != null
                && progress.step() > CHECKPOINT;
    }

    private Pod trainer(String namespace) {
        return cluster
                .client()
                .pods()
                .inNamespace(namespace)
                .withLabel("lora.training/stage", "train")
                .list()
                .getItems()
                .stream()
                .filter(p -> "Running".equals(p.getStatus().getPhase()))
                .findFirst()
                .orElseThrow();
    }

    @Test
    void certificateMadeAnewInTheMiddleOfATrainingStopsNoReport() {
        String namespace = cluster.namespace("rotation");
        cluster.volume(namespace, NAME + "-workspace");
        cluster.apply(EXAMPLE, namespace, NAME, resource -> {
            shorten(resource);
            part(Kube.spec(resource), "training").put("steps", 5 * STEPS);
        });
        cluster.await(namespace, NAME, TrainingOnNodesTest::hasCheckpoint);
        String before = cluster.operator().certificate();
        try {
            // Longer than the present one has left, so the next one is due.
            cluster.operator().apply("tls.life=2162h", "tls.renewBefore=2161h", "tls.overlap=20s");
            String after = cluster.operator().awaitCertificateOtherThan(before);
            Instant changed = Instant.now();
            LoraTraining training = cluster.await(
                    namespace, NAME, r -> Trainings.isOver(r) || reported(r).isAfter(changed.plusSeconds(5)));

            assertThat(after).isNotEqualTo(before);
            assertThat(Trainings.isOver(training)).as("still running").isFalse();
        } finally {
            // It need not go on beside the next test.
            cluster.kubectl("-n", namespace, "delete", "loratraining", NAME, "--wait=false")
                    .ok();
            cluster.operator().apply();
        }
    }

    private static Instant reported(LoraTraining training) {
        return Instant.parse(
                Objects.requireNonNull(training.getStatus().progress()).lastUpdatedTime());
    }

    @Test
    void preparedOnOneNodeAndTrainedOnAnotherItBecomesTheSameFiles() {
        Transcript transcript = new Transcript(cluster, "training");
        String namespace = start(
                "two-nodes",
                runtime -> runtime.put("stages", List.of(Kube.on("Prepare", "node-1"), Kube.on("Train", "node-2"))));
        LoraTraining training = cluster.await(namespace, NAME, TrainingOnNodesTest::hasCheckpoint);
        transcript.run("-n", namespace, "get", "loratrainings");
        transcript.run("-n", namespace, "wait", "--for", "condition=Complete", "--timeout=30m", "loratraining/" + NAME);

        LoraTraining done = awaitComplete(namespace);
        Map<String, String> nodes = cluster.nodesOf(namespace, NAME);
        transcript.run("-n", namespace, "get", "loratrainings");
        transcript.run("-n", namespace, "describe", "loratraining", NAME);
        transcript.run("explain", "loratraining.spec.training.steps");
        transcript.run("-n", namespace, "delete", "loratraining", NAME);

        assertThat(training.getStatus().progress()).as("reported by the pod").isNotNull();
        mustHaveTheSameFiles(done);
        assertThat(nodes).containsEntry(NAME + "-prepare-1", "node-1").containsEntry(NAME + "-train-1", "node-2");
        transcript.mustHave("training");
    }

    @Test
    void lostNodeHoldsTheRunUntilItIsOutOfServiceAndTheOtherNodeEndsItWithTheSameBits() throws Exception {
        String namespace = start("lost-node", runtime -> {});
        cluster.await(namespace, NAME, TrainingOnNodesTest::hasCheckpoint);
        Pod lost = trainer(namespace);
        String node = lost.getSpec().getNodeName();
        int number = NodesCluster.NODES.indexOf(node) + 1;

        cluster.fail(number);
        try {
            cluster.await(namespace, NAME, r -> r.getStatus().conditions().stream()
                    .anyMatch(c -> c.getReason().equals("NodeLost")
                            && c.getMessage().contains(node)
                            && c.getMessage().contains(OUT_OF_SERVICE)));
            TimeUnit.SECONDS.sleep(10);
            assertThat(cluster.client()
                            .pods()
                            .inNamespace(namespace)
                            .withLabel("lora.training/stage", "train")
                            .list()
                            .getItems())
                    .extracting(p -> p.getMetadata().getUid())
                    .as("nothing starts while the old trainer may still write")
                    .containsExactly(lost.getMetadata().getUid());
            cluster.kubectl("taint", "nodes", node, OUT_OF_SERVICE + "=nodeshutdown:NoExecute")
                    .ok();
            LoraTraining done = awaitComplete(namespace);

            mustHaveTheSameFiles(done);
            assertThat(cluster.nodesOf(namespace, NAME)).doesNotContainEntry(NAME + "-evaluate-1", node);
        } finally {
            cluster.heal(number);
            cluster.kubectl("wait", "--for", "condition=Ready", "--timeout=120s", "node/" + node);
            cluster.kubectl("taint", "nodes", node, OUT_OF_SERVICE + "-");
        }
    }

    @Test
    void upgradeLeaderChangeAndRestartOfTheApiServerChangeNothing() {
        String namespace = start("upheaval", runtime -> {});
        cluster.await(namespace, NAME, TrainingOnNodesTest::hasCheckpoint);

        String leader = cluster.operator().leader();
        cluster.client()
                .pods()
                .inNamespace(OperatorChart.NAMESPACE)
                .withName(leader)
                .withGracePeriod(0)
                .delete();
        cluster.restart("kube-apiserver", 2);
        assertThat(Trainings.isOver(cluster.get(namespace, NAME)))
                .as("trains on")
                .isFalse();
        cluster.operator().apply("podAnnotations.upgrade=again");
        LoraTraining done = awaitComplete(namespace);

        mustHaveTheSameFiles(done);
        assertThat(cluster.jobs(namespace, NAME))
                .containsExactly(NAME + "-evaluate-1", NAME + "-prepare-1", NAME + "-train-1");
        assertThat(done.getStatus().stages()).extracting(StageStatus::failures).containsOnly(0);
        assertThat(cluster.operator().leader()).isNotEqualTo(leader);
    }
}
