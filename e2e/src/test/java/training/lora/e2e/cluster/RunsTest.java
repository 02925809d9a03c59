package training.lora.e2e.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.DeletionPropagation;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.Quantity;
import io.fabric8.kubernetes.api.model.ResourceQuotaBuilder;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import training.lora.api.LoraTraining;
import training.lora.api.Outcome;
import training.lora.api.Reason;
import training.lora.e2e.Trainings;

/** What becomes of pods and Jobs at a real API server, with its Job controller, scheduler and garbage collector. */
@ClusterTest
class RunsTest {
    private final RealCluster cluster;
    private final String namespace;

    RunsTest(RealCluster cluster) {
        this.cluster = cluster;
        namespace = cluster.namespace("runs");
    }

    @BeforeAll
    void operator() throws InterruptedException {
        cluster.operator();
    }

    @Test
    void aPodThatNoNodeTakesIsUnschedulableAndThenTheImageMayBeCorrected() {
        cluster.apply(namespace, "unscheduled", r -> {});
        LoraTraining waits = cluster.await(namespace, "unscheduled", r -> reconciling(r, "Unschedulable"));
        assertThat(waits.getStatus().startTime()).isNull();

        cluster.apply(namespace, "unscheduled", r -> {
            Map<String, Object> runtime = new HashMap<>();
            runtime.put("image", "another:1");
            Kube.spec(r).put("runtime", runtime);
        });
        cluster.await(
                namespace, "unscheduled", r -> r.getStatus().stages().get(0).attempt() == 2);
        Pod pod = cluster.pod(namespace, "unscheduled-prepare-2");
        assertThat(pod.getSpec().getContainers().get(0).getImage()).isEqualTo("another:1");

        cluster.run(pod);
        cluster.await(namespace, "unscheduled", r -> r.getStatus().startTime() != null);
        String refused = cluster.kubectl(
                        "-n",
                        namespace,
                        "patch",
                        "loratraining",
                        "unscheduled",
                        "--type=merge",
                        "-p",
                        "{\"spec\":{\"runtime\":{\"image\":\"third:1\"}}}")
                .output();
        assertThat(refused).contains("spec.runtime.image can't change once the run's first container has started");
    }

    @Test
    void aQuotaThatForbidsThePodIsNamedAndTheStartDeadlineEndsIt() {
        String quota = cluster.namespace("runs-quota");
        cluster.client()
                .resource(new ResourceQuotaBuilder()
                        .withNewMetadata()
                        .withNamespace(quota)
                        .withName("no-pods")
                        .endMetadata()
                        .withNewSpec()
                        .withHard(Map.of("pods", new Quantity("0")))
                        .endSpec()
                        .build())
                .create();
        cluster.apply(quota, "refused", r -> Kube.spec(r).put("startDeadlineSeconds", 30));

        LoraTraining waits = cluster.await(quota, "refused", r -> reconciling(r, "FailedCreate"));
        assertThat(message(waits, "Reconciling")).contains("exceeded quota: no-pods");
        LoraTraining failed = cluster.await(quota, "refused", r -> Trainings.is(r, "Failed"));
        assertThat(failed.getStatus().stages().get(0).reason()).isEqualTo(Reason.DeadlineExceeded);
        assertThat(message(failed, "Failed"))
                .contains("`spec.startDeadlineSeconds` (30) have passed")
                .contains("exceeded quota: no-pods");

        // It had not started, so any correction begins it anew.
        cluster.client().resourceQuotas().inNamespace(quota).withName("no-pods").delete();
        cluster.apply(quota, "refused", r -> Kube.spec(r).put("startDeadlineSeconds", 600));
        cluster.pod(quota, "refused-prepare-2");
    }

    @Test
    void anExitCodeOfZeroWithoutAResultIsAFailureAndADeletedPodIsNone() {
        cluster.apply(namespace, "ends", r -> {});
        Pod first = cluster.pod(namespace, "ends-prepare-1");
        cluster.run(first);
        cluster.end(first, 0, "no result");
        LoraTraining failed = cluster.await(namespace, "ends", r -> ended(r, 1));
        assertThat(failed.getStatus().stages().get(0).reason()).isEqualTo(Reason.PodFailed);
        assertThat(failed.getStatus().stages().get(0).failures()).isEqualTo(1);

        Pod second = cluster.pod(namespace, "ends-prepare-2");
        cluster.run(second);
        cluster.await(namespace, "ends", r -> reconciling(r, "Running"));
        cluster.kubectl("-n", namespace, "delete", "pod", second.getMetadata().getName())
                .ok();
        LoraTraining deleted = cluster.await(namespace, "ends", r -> ended(r, 2));
        assertThat(deleted.getStatus().stages().get(0).reason()).isEqualTo(Reason.Preempted);
        assertThat(deleted.getStatus().stages().get(0).failures()).isEqualTo(1);
        cluster.pod(namespace, "ends-prepare-3");
    }

    @Test
    void anOrphanedPodIsWaitedForAndItsResultCounts() {
        cluster.apply(namespace, "orphan", r -> {});
        Pod pod = cluster.pod(namespace, "orphan-prepare-1");
        cluster.run(pod);
        LoraTraining runs = cluster.await(namespace, "orphan", r -> reconciling(r, "Running"));
        cluster.kubectl("-n", namespace, "delete", "job", "orphan-prepare-1", "--cascade=orphan")
                .ok();
        cluster.client()
                .batch()
                .v1()
                .jobs()
                .inNamespace(namespace)
                .withName("orphan-prepare-1")
                .waitUntilCondition(Objects::isNull, 180, TimeUnit.SECONDS);

        cluster.end(
                pod,
                0,
                "{\"version\":\"lora.training/result/v1\",\"runId\":\"%s\",\"stage\":\"Prepare\",\"attempt\":1,\"outcome\":\"Succeeded\"}"
                        .formatted(runs.getStatus().runId()));
        LoraTraining goesOn = cluster.await(namespace, "orphan", r -> ended(r, 1));
        assertThat(goesOn.getStatus().stages().get(0).outcome()).isEqualTo(Outcome.Succeeded);
        cluster.pod(namespace, "orphan-train-1");
    }

    @Test
    void aReplacedResourceWaitsForItsNamesakesClaimAndThenRuns() {
        cluster.apply(namespace, "replaced", r -> {});
        Pod before = cluster.pod(namespace, "replaced-prepare-1");
        String uid = cluster.get(namespace, "replaced").getMetadata().getUid();
        cluster.client()
                .resources(LoraTraining.class)
                .inNamespace(namespace)
                .withName("replaced")
                .withPropagationPolicy(DeletionPropagation.BACKGROUND)
                .delete();
        cluster.client()
                .resources(LoraTraining.class)
                .inNamespace(namespace)
                .withName("replaced")
                .waitUntilCondition(Objects::isNull, 180, TimeUnit.SECONDS);
        LoraTraining again = cluster.apply(namespace, "replaced", r -> {});
        assertThat(again.getMetadata().getUid()).isNotEqualTo(uid);

        cluster.await(namespace, "replaced", r -> {
            assertThat(Trainings.is(r, "Stalled")).as("never stalled").isFalse();
            return r.getStatus() != null && !r.getStatus().stages().isEmpty();
        });
        Pod pod = cluster.pod(namespace, "replaced-prepare-1");
        assertThat(pod.getMetadata().getUid()).isNotEqualTo(before.getMetadata().getUid());
    }

    private static boolean ended(LoraTraining training, int attempt) {
        return training.getStatus() != null
                && training.getStatus().stages().stream().anyMatch(s -> s.attempt() == attempt && s.outcome() != null);
    }

    private static boolean reconciling(LoraTraining training, String reason) {
        return training.getStatus() != null
                && training.getStatus().conditions().stream()
                        .anyMatch(c -> c.getType().equals("Reconciling") && reason.equals(c.getReason()));
    }

    private static String message(LoraTraining training, String type) {
        return training.getStatus().conditions().stream()
                .filter(c -> c.getType().equals(type))
                .findFirst()
                .orElseThrow()
                .getMessage();
    }
}
