package training.lora.e2e.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.Event;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.Quantity;
import io.fabric8.kubernetes.api.model.ResourceQuota;
import io.fabric8.kubernetes.api.model.ResourceQuotaBuilder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import training.lora.api.LoraTraining;
import training.lora.e2e.Trainings;

/** What an API server refuses, and what an operator finds that is older than its CRD. */
@ClusterTest
class RefusalsTest {
    private static final Path CRD =
            Scripts.HOME.resolve("crds/src/main/resources/META-INF/fabric8/loratrainings.lora.training-v1.yml");

    private static final Path QUICK = Scripts.HOME.resolve("e2e/src/test/resources/quick.yaml");

    private final RealCluster cluster;

    RefusalsTest(RealCluster cluster) {
        this.cluster = cluster;
    }

    @Test
    void aUsedUpQuotaIsToldAndTheRunBeginsOnceThereIsRoom() throws Exception {
        String namespace = cluster.namespace("used-up");
        cluster.operator();
        quota(namespace, "0");

        cluster.apply(namespace, "quick", r -> {});

        LoraTraining stalled = cluster.await(namespace, "quick", t -> Trainings.is(t, "Stalled"));
        assertThat(stalled(stalled))
                .startsWith("Refused: the API server refuses Job quick-prepare-1: jobs.batch \"quick-prepare-1\" is"
                        + " forbidden: exceeded quota: jobs");
        // The event is written after the status.
        List<Event> events = cluster.client()
                .v1()
                .events()
                .inNamespace(namespace)
                .informOnCondition(all -> all.stream().anyMatch(RefusalsTest::isRefusal))
                .orTimeout(180, TimeUnit.SECONDS)
                .join();
        assertThat(events).filteredOn(RefusalsTest::isRefusal).hasSize(1);
        // Claim and ConfigMap are there; a quota that counts them answers 403 too when they are made again.
        quota(namespace, "1");
        job(namespace, "quick-prepare-1");
        assertThat(Trainings.is(cluster.await(namespace, "quick", t -> Trainings.is(t, "Reconciling")), "Stalled"))
                .isFalse();
    }

    @Test
    void aQuotaThatCountsWhatIsThereAlreadyIsNoRefusal() throws Exception {
        String namespace = cluster.namespace("counted");
        cluster.operator();
        cluster.client()
                .resource(new ResourceQuotaBuilder()
                        .withNewMetadata()
                        .withNamespace(namespace)
                        .withName("objects")
                        .endMetadata()
                        .withNewSpec()
                        .addToHard("persistentvolumeclaims", new Quantity("1"))
                        .addToHard("count/jobs.batch", new Quantity("0"))
                        .endSpec()
                        .build())
                .create();
        used(namespace, "objects");

        cluster.apply(namespace, "quick", r -> {});
        LoraTraining stalled = cluster.await(namespace, "quick", t -> Trainings.is(t, "Stalled"));
        assertThat(stalled(stalled)).startsWith("Refused: the API server refuses Job quick-prepare-1");

        Kube.edit(() -> cluster.client()
                .resourceQuotas()
                .inNamespace(namespace)
                .withName("objects")
                .edit(q -> new ResourceQuotaBuilder(q)
                        .editSpec()
                        .addToHard("count/jobs.batch", new Quantity("1"))
                        .endSpec()
                        .build()));
        // The claim is posted again before the Job, and answered with 403.
        job(namespace, "quick-prepare-1");
    }

    @Test
    void aRequestAboveItsLimitIsToldAndCanBeCorrected() throws Exception {
        String namespace = cluster.namespace("above");
        cluster.operator();
        cluster.apply(namespace, "quick", r -> runtime(r, "2", "1"));

        LoraTraining stalled = cluster.await(namespace, "quick", t -> Trainings.is(t, "Stalled"));
        assertThat(stalled(stalled))
                .startsWith("Refused: the API server refuses Job quick-prepare-1")
                .contains("must be less than or equal to cpu limit");

        cluster.apply(namespace, "quick", r -> runtime(r, "1", "1"));
        job(namespace, "quick-prepare-1");
    }

    @Test
    void aValueOfANewerCrdStallsItsOwnTrainingAndNoOther() throws Exception {
        String namespace = cluster.namespace("newer");
        String known = Files.readString(CRD);
        Path newer = cluster.logs().resolve("newer-crd.yaml");
        Files.writeString(newer, known.replaceFirst("( +)- Prodigy\n", "$1- Prodigy\n$1- Muon\n"));
        cluster.kubectl("apply", "--server-side", "-f", newer.toString()).ok();
        try {
            cluster.operator();
            cluster.apply(namespace, "before", r -> {});
            Path strange = cluster.logs().resolve("newer-training.yaml");
            Files.writeString(
                    strange,
                    Files.readString(QUICK)
                            .replace("name: quick, namespace: default", "name: strange, namespace: " + namespace)
                            .replace("training: {", "training: {optimizer: {type: Muon}, "));
            cluster.kubectl("apply", "-f", strange.toString()).ok();
            assertUnknown(namespace);
            cluster.apply(namespace, "after", r -> {});
            job(namespace, "after-prepare-1");

            cluster.stopOperator();
            cluster.operator();
            cluster.apply(namespace, "restarted", r -> {});
            job(namespace, "restarted-prepare-1");
            assertThat(cluster.jobs(namespace, "strange")).isEmpty();
        } finally {
            cluster.kubectl("delete", "--ignore-not-found", "-n", namespace, "loratrainings", "strange")
                    .ok();
            cluster.kubectl("apply", "--server-side", "-f", CRD.toString()).ok();
        }
    }

    private void assertUnknown(String namespace) {
        cluster.kubectl(
                        "wait",
                        "-n",
                        namespace,
                        "loratraining/strange",
                        "--for",
                        "condition=Stalled",
                        "--timeout",
                        "120s")
                .ok();
        assertThat(cluster.kubectl(
                                "get",
                                "-n",
                                namespace,
                                "loratraining/strange",
                                "-o",
                                "jsonpath={.status.conditions[?(@.type==\"Stalled\")].message}")
                        .ok())
                .startsWith("`spec.training.optimizer.type` has the value \"Muon\"");
    }

    private static boolean isRefusal(Event event) {
        return event.getReason().equals("Refused");
    }

    private void quota(String namespace, String jobs) {
        ResourceQuota quota = new ResourceQuotaBuilder()
                .withNewMetadata()
                .withNamespace(namespace)
                .withName("jobs")
                .endMetadata()
                .withNewSpec()
                .addToHard("count/jobs.batch", new Quantity(jobs))
                .endSpec()
                .build();
        cluster.client().resource(quota).serverSideApply();
        used(namespace, "jobs");
    }

    /** Waits until the quota counts. */
    private void used(String namespace, String name) {
        cluster.client()
                .resourceQuotas()
                .inNamespace(namespace)
                .withName(name)
                .waitUntilCondition(
                        q -> q != null
                                && q.getStatus() != null
                                && Objects.equals(
                                        q.getStatus().getHard(), q.getSpec().getHard()),
                        180,
                        TimeUnit.SECONDS);
    }

    private void job(String namespace, String name) {
        cluster.client()
                .batch()
                .v1()
                .jobs()
                .inNamespace(namespace)
                .withName(name)
                .waitUntilCondition(Objects::nonNull, 2, TimeUnit.MINUTES);
    }

    private static void runtime(GenericKubernetesResource resource, String request, String limit) {
        Kube.spec(resource)
                .put(
                        "runtime",
                        Map.of(
                                "stages",
                                List.of(Map.of(
                                        "name",
                                        "Prepare",
                                        "resources",
                                        Map.of("requests", Map.of("cpu", request), "limits", Map.of("cpu", limit))))));
    }

    private static String stalled(LoraTraining training) {
        return training.getStatus().conditions().stream()
                .filter(c -> c.getType().equals("Stalled"))
                .map(c -> c.getReason() + ": " + c.getMessage())
                .findFirst()
                .orElseThrow();
    }
}
