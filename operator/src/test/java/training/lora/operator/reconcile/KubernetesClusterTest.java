package training.lora.operator.reconcile;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import com.fasterxml.jackson.core.JsonProcessingException;
import io.fabric8.kubernetes.api.model.ConfigMap;
import io.fabric8.kubernetes.api.model.ConfigMapBuilder;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaim;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaimBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.StatusBuilder;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.api.model.batch.v1.JobBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.server.mock.EnableKubernetesMockClient;
import io.javaoperatorsdk.operator.processing.event.ResourceID;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import training.lora.api.Json;
import training.lora.api.LoraTraining;
import training.lora.api.LoraTrainingSpec;
import training.lora.operator.plan.Action;
import training.lora.operator.plan.Names;
import training.lora.operator.plan.RunPod;
import training.lora.operator.tls.Trust;

@EnableKubernetesMockClient(crud = true)
final class KubernetesClusterTest {
    @SuppressWarnings("NullAway.Init") // set by the extension
    private KubernetesClient client;

    private final List<String> told = new ArrayList<>();
    private @Nullable KubernetesClientException refusal;

    @Test
    void whatExistsAndIsOursCountsAsDone() throws Exception {
        Cluster cluster = cluster();
        Action create = new Action.CreateConfigMap(configMap("uid-1"));

        cluster.apply(resource(), create);
        assertThatCode(() -> cluster.apply(resource(), create)).doesNotThrowAnyException();
        assertThat(client.configMaps().inNamespace("default").list().getItems()).hasSize(1);
    }

    @Test
    void whatBelongsToSomethingElseIsNotTouched() {
        client.resource(configMap("uid-of-another")).create();

        assertThatThrownBy(() -> cluster().apply(resource(), new Action.CreateConfigMap(configMap("uid-1"))))
                .isInstanceOf(NameTakenException.class)
                .hasMessage("ConfigMap run");
    }

    @Test
    void podsAreFoundByTheResourcesNameWhoeverOwnsThem() {
        pod("disrupted", 143, "2026-01-01T00:00:00Z");
        pod("last", 22, "2026-01-01T00:05:00Z");

        assertThat(cluster().observe(resource()).pods())
                .extracting(RunPod::name, RunPod::jobName)
                .containsExactlyInAnyOrder(tuple("disrupted", "style-train-1"), tuple("last", "style-train-1"));
    }

    @Test
    void anEventIsToldOnce() throws Exception {
        Action emit = new Action.Emit("train-1-StageStarted", false, "StageStarted", "Train runs");
        Cluster cluster = cluster();

        cluster.apply(resource(), emit);
        cluster.apply(resource(), emit);

        assertThat(client.v1().events().inNamespace("default").list().getItems())
                .singleElement()
                .satisfies(e -> assertThat(e.getInvolvedObject().getName()).isEqualTo("style"));
    }

    @Test
    void aRetainedClaimIsTakenByTheNextResourceOfItsNameThatRetainsToo() throws Exception {
        client.resource(claim("style")).create();

        cluster().apply(withRetention("Retain"), new Action.CreateClaim(claim("style")));

        assertThat(client.persistentVolumeClaims().inNamespace("default").list().getItems())
                .hasSize(1);
        assertThatThrownBy(() -> cluster().apply(withRetention("Delete"), new Action.CreateClaim(claim("style"))))
                .isInstanceOf(NameTakenException.class);
    }

    @Test
    void aClaimThatAnotherNameRetainedIsNotTaken() throws Exception {
        client.resource(claim("other")).create();

        assertThatThrownBy(() -> cluster().apply(withRetention("Retain"), new Action.CreateClaim(claim("style"))))
                .isInstanceOf(NameTakenException.class);
    }

    @Test
    void beforeAJobIsMadeItsPodsCanKnowTheOperator() throws Exception {
        cluster().apply(resource(), new Action.CreateJob(job()));

        assertThat(told).containsExactly("default");
        assertThat(client.batch().v1().jobs().inNamespace("default").list().getItems())
                .hasSize(1);
    }

    @Test
    void aConfigMapThatIsRefusedIsARefusalOfTheRunAndHoldsUpNothingElse() throws Exception {
        refusal = new KubernetesClientException(new StatusBuilder()
                .withCode(403)
                .withMessage("exceeded quota: objects")
                .build());
        Cluster cluster = cluster();

        assertThatThrownBy(() -> cluster.apply(resource(), new Action.CreateJob(job())))
                .isInstanceOfSatisfying(RefusedException.class, e -> {
                    assertThat(e.what()).isEqualTo("ConfigMap lora-operator-ca");
                    assertThat(e.sentence()).isEqualTo("exceeded quota: objects");
                });
        assertThat(client.batch().v1().jobs().inNamespace("default").list().getItems())
                .isEmpty();
        cluster.apply(resource(), new Action.Emit("train-1-StageFailed", true, "StageFailed", "Train failed"));
        cluster.apply(resource(), new Action.DeleteJob("style-train-1", "uid-of-the-job"));
    }

    private static Job job() {
        return new JobBuilder()
                .withNewMetadata()
                .withNamespace("default")
                .withName("style-train-1")
                .endMetadata()
                .build();
    }

    private static PersistentVolumeClaim claim(String resource) {
        return new PersistentVolumeClaimBuilder()
                .withNewMetadata()
                .withNamespace("default")
                .withName("style-workspace")
                .addToLabels(Names.MANAGED_BY, Names.OPERATOR)
                .addToLabels(Names.NAME, resource)
                .endMetadata()
                .build();
    }

    private static LoraTraining withRetention(String retention) throws JsonProcessingException {
        LoraTraining resource = resource();
        String spec = "{\"runtime\":{\"workspace\":{\"retention\":\"%s\"}}}".formatted(retention);
        resource.setSpec(Json.MAPPER.readValue(spec, LoraTrainingSpec.class));
        return resource;
    }

    private Cluster cluster() {
        return new KubernetesCluster(client, new NothingHeard(), new TestTrust());
    }

    private final class TestTrust implements Trust {
        @Override
        public String configMap() {
            return "lora-operator-ca";
        }

        @Override
        public void ensure(String namespace) {
            if (refusal != null) {
                throw refusal;
            }
            told.add(namespace);
        }
    }

    private static final class NothingHeard implements Heard {
        @Override
        public Optional<LoraTraining> resource(ResourceID id) {
            return Optional.empty();
        }

        @Override
        public List<Job> jobs(LoraTraining resource) {
            return List.of();
        }

        @Override
        public List<Pod> pods(LoraTraining resource) {
            return List.of();
        }

        @Override
        public List<Pod> pods() {
            return List.of();
        }
    }

    private void pod(String name, int exitCode, String finished) {
        client.resource(new PodBuilder()
                        .withNewMetadata()
                        .withNamespace("default")
                        .withName(name)
                        .addToLabels("job-name", "style-train-1")
                        .addToLabels(Names.NAME, "style")
                        .endMetadata()
                        .withNewStatus()
                        .addNewContainerStatus()
                        .withName("trainer")
                        .withNewState()
                        .withNewTerminated()
                        .withExitCode(exitCode)
                        .withMessage(name)
                        .withFinishedAt(finished)
                        .endTerminated()
                        .endState()
                        .endContainerStatus()
                        .endStatus()
                        .build())
                .create();
    }

    private static ConfigMap configMap(String ownerUid) {
        return new ConfigMapBuilder()
                .withNewMetadata()
                .withNamespace("default")
                .withName("run")
                .addNewOwnerReference()
                .withController(true)
                .withUid(ownerUid)
                .endOwnerReference()
                .endMetadata()
                .build();
    }

    private static LoraTraining resource() {
        LoraTraining resource = new LoraTraining();
        resource.setMetadata(new ObjectMetaBuilder()
                .withNamespace("default")
                .withName("style")
                .withUid("uid-1")
                .build());
        return resource;
    }
}
