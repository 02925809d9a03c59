package training.lora.e2e.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.Pod;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.junit.jupiter.api.Test;
import training.lora.api.LoraTraining;
import training.lora.api.Outcome;
import training.lora.api.Reason;
import training.lora.api.StageStatus;
import training.lora.e2e.Trainings;

/** What becomes of pods on real nodes, and how the status names it. The trainer is a stub. */
@ClusterTest
class PodsTest {
    private final NodesCluster cluster;
    private final String namespace;

    PodsTest(NodesCluster cluster) {
        this.cluster = cluster;
        namespace = cluster.namespace("pods");
    }

    private void stub(String name, String stage, String script) {
        cluster.stub(namespace, name, Map.of(stage, script), runtime -> {});
    }

    private static Predicate<LoraTraining> reconciling(String reason) {
        return r -> r.getStatus() != null
                && r.getStatus().conditions().stream()
                        .anyMatch(c -> c.getType().equals("Reconciling")
                                && c.getReason().equals(reason));
    }

    private static Condition condition(LoraTraining training, String type) {
        return training.getStatus().conditions().stream()
                .filter(c -> c.getType().equals(type))
                .findFirst()
                .orElseThrow();
    }

    private static StageStatus last(LoraTraining training) {
        List<StageStatus> stages = training.getStatus().stages();
        return stages.get(stages.size() - 1);
    }

    private Pod awaitRunning(String job) {
        return cluster.client()
                .pods()
                .inNamespace(namespace)
                .withLabel("job-name", job)
                .informOnCondition(pods -> pods.stream()
                        .anyMatch(p -> "Running".equals(p.getStatus().getPhase())))
                .orTimeout(120, TimeUnit.SECONDS)
                .join()
                .get(0);
    }

    @Test
    void imageThatCannotBePulledIsNamedAndAnotherImageMendsIt() {
        cluster.stub(namespace, "no-image", Map.of(), runtime -> runtime.put("image", "cluster.test/missing:1"));

        LoraTraining waits = cluster.await(namespace, "no-image", reconciling("ErrImagePull"));
        cluster.stub(namespace, "no-image", Map.of(), runtime -> {});
        LoraTraining done = cluster.await(namespace, "no-image", Trainings::isOver);

        assertThat(condition(waits, "Reconciling").getMessage())
                .contains("cluster.test/missing:1")
                .doesNotContain("\n");
        assertThat(Trainings.is(done, "Complete")).isTrue();
    }

    @Test
    void missingClaimIsNamedAndTheRunGoesOnOnceItIsThere() {
        cluster.stub(
                namespace, "no-claim", Map.of(), runtime -> runtime.put("workspace", Map.of("claimName", "shared")));

        LoraTraining waits = cluster.await(namespace, "no-claim", reconciling("ClaimNotFound"));
        cluster.volume(namespace, "shared");
        cluster.claim(namespace, "shared");
        LoraTraining done = cluster.await(namespace, "no-claim", Trainings::isOver);

        assertThat(condition(waits, "Reconciling").getMessage()).contains("\"shared\"");
        assertThat(Trainings.is(done, "Complete")).isTrue();
    }

    @Test
    void imageNameThatIsNoneIsNamedAndAnotherMendsIt() {
        cluster.stub(namespace, "bad-name", Map.of(), runtime -> runtime.put("image", "Not:an:Image"));

        LoraTraining waits = cluster.await(namespace, "bad-name", reconciling("InvalidImageName"));
        cluster.stub(namespace, "bad-name", Map.of(), runtime -> {});
        LoraTraining done = cluster.await(namespace, "bad-name", Trainings::isOver);

        assertThat(condition(waits, "Reconciling").getMessage()).contains("Not:an:Image");
        assertThat(Trainings.is(done, "Complete")).isTrue();
    }

    @Test
    void claimWithoutAVolumeIsNamedAndTheRunGoesOnOnceItIsBound() {
        cluster.claim(namespace, "unbound");
        cluster.stub(
                namespace, "no-volume", Map.of(), runtime -> runtime.put("workspace", Map.of("claimName", "unbound")));

        LoraTraining waits = cluster.await(namespace, "no-volume", reconciling("ClaimNotBound"));
        cluster.volume(namespace, "unbound");
        LoraTraining done = cluster.await(namespace, "no-volume", Trainings::isOver);

        assertThat(condition(waits, "Reconciling").getMessage())
                .contains("unbound immediate PersistentVolumeClaims")
                .contains("the claim unbound is Pending");
        assertThat(Trainings.is(done, "Complete")).isTrue();
    }

    @Test
    void storageClassThatIsMissingIsNamedAndTheRunGoesOnOnceThereIsAVolume() {
        cluster.stubWithoutVolume(
                namespace,
                "no-class",
                runtime -> runtime.put("workspace", Map.of("storageClassName", "missing-class")));

        LoraTraining waits = cluster.await(
                namespace,
                "no-class",
                r -> reconciling("ClaimNotBound").test(r)
                        && condition(r, "Reconciling").getMessage().contains("missing-class"));
        cluster.volume(namespace, "no-class-workspace");
        LoraTraining done = cluster.await(namespace, "no-class", Trainings::isOver);

        assertThat(condition(waits, "Reconciling").getMessage())
                .contains("storageclass.storage.k8s.io \"missing-class\" not found");
        assertThat(Trainings.is(done, "Complete")).isTrue();
    }

    @Test
    void memoryLimitTooSmallToStartIsNamed() {
        cluster.stub(
                namespace,
                "tiny",
                Map.of(),
                runtime -> runtime.put("stages", List.of(limits("Prepare", "memory", "1Mi"))));

        LoraTraining waits = cluster.await(
                namespace, "tiny", r -> Trainings.isOver(r) || (r.getStatus() != null && startsWithTrouble(r)));

        assertThat(last(waits).message()
                        + condition(waits, Trainings.isOver(waits) ? "Failed" : "Reconciling")
                                .getMessage())
                .containsAnyOf("memory limit", "OOM");
    }

    private static boolean startsWithTrouble(LoraTraining training) {
        return training.getStatus().conditions().stream()
                .anyMatch(
                        c -> c.getType().equals("Reconciling") && c.getMessage().contains("can't start"));
    }

    @Test
    void suspendedJobIsQueuedAndGoesOnWhenItIsAdmitted() {
        stub("queued", "train-1", "sleep 30 & wait $!");
        awaitRunning("queued-train-1");

        cluster.kubectl("-n", namespace, "patch", "job", "queued-train-1", "-p", "{\"spec\":{\"suspend\":true}}")
                .ok();
        LoraTraining waits = cluster.await(namespace, "queued", reconciling("Queued"));
        cluster.kubectl("-n", namespace, "patch", "job", "queued-train-1", "-p", "{\"spec\":{\"suspend\":false}}")
                .ok();
        LoraTraining done = cluster.await(namespace, "queued", Trainings::isOver);

        assertThat(condition(waits, "Reconciling").getMessage()).contains("queued-train-1 suspended");
        assertThat(Trainings.is(done, "Complete")).isTrue();
        assertThat(done.getStatus().stages()).extracting(StageStatus::failures).containsOnly(0);
    }

    @Test
    void deletedPodIsNoFailureOfTheTraining() {
        stub("deleted", "train-1", "sleep 120 & wait $!");
        Pod pod = awaitRunning("deleted-train-1");

        cluster.kubectl("-n", namespace, "delete", "pod", pod.getMetadata().getName(), "--wait=false")
                .ok();
        LoraTraining done = cluster.await(namespace, "deleted", Trainings::isOver);

        assertThat(Trainings.is(done, "Complete")).isTrue();
        assertThat(done.getStatus().stages()).extracting(StageStatus::failures).containsOnly(0);
    }

    @Test
    void nextAttemptWaitsForThePodOfAJobThatWasDeleted() {
        stub("job-lost", "train-1", "trap 'sleep 8; exit 143' TERM; sleep 120 & wait $!");
        Pod first = awaitRunning("job-lost-train-1");

        cluster.kubectl("-n", namespace, "delete", "job", "job-lost-train-1", "--wait=false")
                .ok();
        Instant gone = gone(first);
        Pod second = awaitPod("job-lost-train-2");
        LoraTraining done = cluster.await(namespace, "job-lost", Trainings::isOver);

        assertThat(Instant.parse(second.getMetadata().getCreationTimestamp()).plusSeconds(1))
                .isAfter(gone.minus(Duration.ofSeconds(1)));
        assertThat(Trainings.is(done, "Complete")).isTrue();
    }

    private Instant gone(Pod pod) {
        cluster.client()
                .pods()
                .inNamespace(namespace)
                .withName(pod.getMetadata().getName())
                .waitUntilCondition(p -> p == null, 90, TimeUnit.SECONDS);
        return Instant.now();
    }

    private Pod awaitPod(String job) {
        return cluster.client()
                .pods()
                .inNamespace(namespace)
                .withLabel("job-name", job)
                .informOnCondition(pods -> !pods.isEmpty())
                .orTimeout(90, TimeUnit.SECONDS)
                .join()
                .get(0);
    }

    @Test
    void endsAreNamed() {
        stub("silent", "train", "exit 0");
        stub("preempted", "train", "exit 75");
        cluster.stub(
                namespace,
                "memory",
                Map.of("train", "tail /dev/zero; exit $?"),
                runtime -> runtime.put("stages", List.of(limits("Train", "memory", "32Mi"))));
        cluster.stub(
                namespace,
                "storage",
                Map.of("train", "dd if=/dev/zero of=/tmp/big bs=1M count=60; sleep 120 & wait $!"),
                runtime -> runtime.put("stages", List.of(limits("Train", "ephemeral-storage", "20Mi"))));

        assertThat(end("silent")).isEqualTo(Reason.PodFailed);
        assertThat(end("memory")).isEqualTo(Reason.OutOfMemory);
        assertThat(end("storage")).isEqualTo(Reason.StorageFull);
        assertThat(end("preempted"))
                .as("told to end without a newer checkpoint")
                .isEqualTo(Reason.Preempted);
    }

    private static Map<String, Object> limits(String stage, String resource, String quantity) {
        return Map.of(
                "name",
                stage,
                "resources",
                Map.of("requests", Map.of(resource, quantity), "limits", Map.of(resource, quantity)));
    }

    private Reason end(String name) {
        LoraTraining done = cluster.await(namespace, name, Trainings::isOver);
        assertThat(Trainings.is(done, "Failed")).as(name).isTrue();
        StageStatus stage = last(done);
        assertThat(stage.outcome()).isEqualTo(Outcome.Failed);
        assertThat(stage.message()).isNotBlank();
        return java.util.Objects.requireNonNull(stage.reason());
    }
}
