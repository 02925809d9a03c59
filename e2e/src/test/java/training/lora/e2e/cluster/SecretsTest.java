package training.lora.e2e.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.Secret;
import io.fabric8.kubernetes.api.model.SecretBuilder;
import io.fabric8.kubernetes.api.model.Volume;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import training.lora.api.LoraTraining;
import training.lora.e2e.Trainings;

/** Secrets and accounts that a training names, by the operator's own account and a real API server. */
@ClusterTest
final class SecretsTest {
    private final RealCluster cluster;
    private final String namespace;

    SecretsTest(RealCluster cluster) throws InterruptedException {
        this.cluster = cluster;
        namespace = cluster.namespace("secrets");
        cluster.operator();
    }

    @Test
    void aRunWaitsForItsSecretAndForTheLabelAndNothingElseHasToBeDone() {
        cluster.apply(namespace, "waits", model("late"));
        assertThat(stalled(await("waits", "SecretNotFound")))
                .startsWith("`spec.baseModel.secretRef` names Secret late, which must exist in namespace " + namespace);
        assertThat(cluster.jobs(namespace, "waits")).isEmpty();

        secret("late", "hf_first");
        assertThat(stalled(await("waits", "SecretNotAllowed")))
                .isEqualTo(
                        "`spec.baseModel.secretRef` names Secret late, which must bear the label lora.training/allow:"
                                + " \"true\"; who may change it does so by `kubectl label -n " + namespace
                                + " secret late lora.training/allow=true`");
        assertThat(cluster.jobs(namespace, "waits")).isEmpty();

        // As the message says.
        cluster.kubectl("label", "-n", namespace, "secret", "late", "lora.training/allow=true")
                .ok();
        assertThat(cluster.pod(namespace, "waits-prepare-1")).isNotNull();
        LoraTraining begun = cluster.await(namespace, "waits", t -> Trainings.is(t, "Reconciling"));
        assertThat(Trainings.is(begun, "Stalled")).isFalse();
    }

    @Test
    void aSourcesSecretIsInPreparesPodAndInNoOther() {
        allowed("hub");
        allowed("bucket");
        cluster.apply(namespace, "mounts", model("hub").andThen(r -> Kube.spec(r)
                .put("output", Map.of("uri", "s3://bucket/ink", "secretRef", Map.of("name", "bucket")))));

        Pod prepare = cluster.pod(namespace, "mounts-prepare-1");
        assertThat(secrets(prepare)).containsExactlyInAnyOrder("hub", "bucket");
        cluster.run(prepare);
        cluster.end(prepare, 0, result(started("mounts"), "Prepare"));

        assertThat(secrets(cluster.pod(namespace, "mounts-train-1"))).containsExactly("bucket");
    }

    @Test
    void aSecretThatIsMendedLetsAFailedRunGoOn() {
        allowed("old");
        cluster.apply(namespace, "mended", model("old"));
        Pod first = cluster.pod(namespace, "mended-prepare-1");
        cluster.run(first);
        started("mended");
        cluster.end(first, 10, "");
        LoraTraining failed = cluster.await(namespace, "mended", t -> Trainings.is(t, "Failed"));
        assertThat(failed.getStatus().startTime()).isNull();

        cluster.client().secrets().inNamespace(namespace).withName("old").edit(s -> new SecretBuilder(s)
                .addToStringData("token", "hf_second")
                .build());

        assertThat(cluster.pod(namespace, "mended-prepare-2")).isNotNull();
        cluster.await(namespace, "mended", t -> Trainings.is(t, "Reconciling"));
    }

    @Test
    void aSourceThatFailedForGoodIsCorrectedInTheSameResource() {
        cluster.apply(namespace, "corrected", r -> Kube.spec(r).put("baseModel", Map.of("uri", "hf://owner/mdoel")));
        Pod first = cluster.pod(namespace, "corrected-prepare-1");
        cluster.run(first);
        started("corrected");
        cluster.end(first, 10, "");
        cluster.await(namespace, "corrected", t -> Trainings.is(t, "Failed"));

        cluster.apply(namespace, "corrected", r -> Kube.spec(r).put("baseModel", Map.of("uri", "hf://owner/model")));

        assertThat(cluster.pod(namespace, "corrected-prepare-2")).isNotNull();
    }

    @Test
    void anAccountNeedsTheLabelAsASecretDoes() {
        cluster.kubectl("create", "-n", namespace, "serviceaccount", "trainings")
                .ok();
        cluster.apply(
                namespace, "account", r -> Kube.spec(r).put("runtime", Map.of("serviceAccountName", "trainings")));
        assertThat(stalled(await("account", "ServiceAccountNotAllowed")))
                .startsWith(
                        "`spec.runtime.serviceAccountName` names service account trainings, which must bear the label");

        cluster.kubectl("label", "-n", namespace, "serviceaccount", "trainings", "lora.training/allow=true")
                .ok();

        assertThat(cluster.pod(namespace, "account-prepare-1").getSpec().getServiceAccountName())
                .isEqualTo("trainings");
    }

    private static Consumer<GenericKubernetesResource> model(String secret) {
        return r -> Kube.spec(r)
                .put("baseModel", Map.of("uri", "hf://owner/model@main", "secretRef", Map.of("name", secret)));
    }

    private LoraTraining await(String name, String reason) {
        return cluster.await(
                namespace,
                name,
                t -> t.getStatus() != null
                        && t.getStatus().conditions().stream()
                                .anyMatch(c -> c.getType().equals("Stalled")
                                        && c.getReason().equals(reason)));
    }

    private static String stalled(LoraTraining training) {
        return training.getStatus().conditions().stream()
                .filter(c -> c.getType().equals("Stalled"))
                .map(c -> c.getMessage())
                .findFirst()
                .orElseThrow();
    }

    private void allowed(String name) {
        secret(name, "x");
        cluster.kubectl("label", "-n", namespace, "secret", name, "lora.training/allow=true")
                .ok();
    }

    private void secret(String name, String token) {
        Secret secret = new SecretBuilder()
                .withNewMetadata()
                .withNamespace(namespace)
                .withName(name)
                .endMetadata()
                .addToStringData("token", token)
                .build();
        cluster.client().resource(secret).create();
    }

    private static List<String> secrets(Pod pod) {
        return pod.getSpec().getVolumes().stream()
                .map(Volume::getProjected)
                .filter(Objects::nonNull)
                .flatMap(p -> p.getSources().stream())
                .filter(s -> s.getSecret() != null)
                .map(s -> s.getSecret().getName())
                .distinct()
                .toList();
    }

    /** The training, once the operator has seen that its container runs. */
    private LoraTraining started(String name) {
        return cluster.await(
                namespace, name, t -> t.getStatus() != null && t.getStatus().startTime() != null);
    }

    private static String result(LoraTraining training, String stage) {
        return """
                {"version": "lora.training/result/v1", "runId": "%s", "stage": "%s", "attempt": 1, "outcome": "Succeeded"}""".formatted(training.getStatus().runId(), stage);
    }
}
