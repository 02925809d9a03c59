package training.lora.local;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.ConfigMapBuilder;
import io.fabric8.kubernetes.api.model.ContainerStateTerminated;
import io.fabric8.kubernetes.api.model.EnvVar;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaimBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.Quantity;
import io.fabric8.kubernetes.api.model.SecretBuilder;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.api.model.batch.v1.JobBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import training.lora.local.kubelet.Image;

/** Jobs from their creation to the end of their processes. The image `shell` runs its one argument. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class LocalClusterTest {
    private static final String UID_LABEL = "job-name";

    private Path dir;
    private LocalCluster cluster;
    private KubernetesClient client;

    @BeforeAll
    void start(@TempDir Path temporary) throws Exception {
        dir = temporary;
        cluster = LocalCluster.start(
                temporary,
                Map.of("shell", new Image(List.of("/bin/sh", "-c"), Map.of("BY_THE_IMAGE", "1", "BY_BOTH", "image"))));
        client = cluster.client();
    }

    @AfterAll
    void stop() {
        cluster.close();
    }

    private static JobBuilder job(String name, String script) {
        return new JobBuilder()
                .withNewMetadata()
                .withName(name)
                .withNamespace("default")
                .endMetadata()
                .withNewSpec()
                .withBackoffLimit(0)
                .withNewTemplate()
                .withNewSpec()
                .withRestartPolicy("Never")
                .addNewContainer()
                .withName("main")
                .withImage("shell:1")
                .withArgs(script)
                .withNewResources()
                .addToRequests("cpu", new Quantity("100m"))
                .endResources()
                .endContainer()
                .endSpec()
                .endTemplate()
                .endSpec();
    }

    private Job create(JobBuilder job) {
        return client.resource(job.build()).create();
    }

    private Job await(String name, Predicate<Job> condition) {
        return client.batch()
                .v1()
                .jobs()
                .inNamespace("default")
                .withName(name)
                .waitUntilCondition(j -> j != null && condition.test(j), 20, TimeUnit.SECONDS);
    }

    private static boolean has(Job job, String type) {
        return job.getStatus() != null
                && job.getStatus().getConditions().stream()
                        .anyMatch(c -> c.getType().equals(type) && c.getStatus().equals("True"));
    }

    private Pod pod(String job) {
        return client.pods()
                .inNamespace("default")
                .withLabel(UID_LABEL, job)
                .list()
                .getItems()
                .get(0);
    }

    private Pod awaitPod(String job, Predicate<Pod> condition) {
        await(job, j -> !client.pods()
                .inNamespace("default")
                .withLabel(UID_LABEL, job)
                .list()
                .getItems()
                .isEmpty());
        return client.resource(pod(job)).waitUntilCondition(p -> p != null && condition.test(p), 20, TimeUnit.SECONDS);
    }

    private ContainerStateTerminated end(String job) {
        return pod(job).getStatus().getContainerStatuses().get(0).getState().getTerminated();
    }

    @Test
    void jobRunsWithItsVolumesVariablesAndToken() throws Exception {
        client.resource(new ConfigMapBuilder()
                        .withNewMetadata()
                        .withName("spec")
                        .withNamespace("default")
                        .endMetadata()
                        .addToData("run.txt", "from the map")
                        .build())
                .create();
        client.resource(new PersistentVolumeClaimBuilder()
                        .withNewMetadata()
                        .withName("work")
                        .withNamespace("default")
                        .endMetadata()
                        .withNewSpec()
                        .withAccessModes("ReadWriteOnce")
                        .withNewResources()
                        .addToRequests("storage", new Quantity("1Gi"))
                        .endResources()
                        .endSpec()
                        .build())
                .create();
        String script = "cat $SPEC > $WORK/copy; test -s $TOKEN; echo token $? > $WORK/token; ls $ROOT > $WORK/claims;"
                + " printf 'well done' > $WORDS; echo logged";
        create(job("whole", script)
                .editSpec()
                .editTemplate()
                .editSpec()
                .addNewVolume()
                .withName("spec")
                .withNewConfigMap()
                .withName("spec")
                .endConfigMap()
                .endVolume()
                .addNewVolume()
                .withName("work")
                .withNewPersistentVolumeClaim("work", false)
                .endVolume()
                .addNewVolume()
                .withName("token")
                .withNewProjected()
                .addNewSource()
                .withNewServiceAccountToken("mine", 600L, "token")
                .endSource()
                .endProjected()
                .endVolume()
                .editFirstContainer()
                .addNewVolumeMount()
                .withName("spec")
                .withMountPath("/run/spec")
                .endVolumeMount()
                .addNewVolumeMount()
                .withName("work")
                .withMountPath("/pvc/work")
                .withSubPath("sub")
                .endVolumeMount()
                .addNewVolumeMount()
                .withName("token")
                .withMountPath("/run/token")
                .endVolumeMount()
                .addToEnv(
                        new EnvVar("SPEC", "/run/spec/run.txt", null),
                        new EnvVar("WORK", "/pvc/work", null),
                        new EnvVar("ROOT", "/pvc", null),
                        new EnvVar("TOKEN", "/run/token/token", null),
                        new EnvVar("WORDS", "/dev/termination-log", null))
                .endContainer()
                .endSpec()
                .endTemplate()
                .endSpec());

        await("whole", j -> has(j, "Complete"));

        Path folder = dir.resolve("volumes/default/work/sub");
        assertThat(folder.resolve("copy")).hasContent("from the map");
        assertThat(folder.resolve("token")).hasContent("token 0");
        assertThat(folder.resolve("claims")).hasContent("work");
        assertThat(end("whole").getMessage()).isEqualTo("well done");
        assertThat(end("whole").getExitCode()).isZero();
        assertThat(client.pods().resource(pod("whole")).getLog()).isEqualTo("logged\n");
    }

    /** A pod that has the Secret as a volume and, of two projected sources, what keys it has of those that are named. */
    private static JobBuilder withSecret(JobBuilder job, String secret) {
        return job.editSpec()
                .editTemplate()
                .editSpec()
                .addNewVolume()
                .withName("whole")
                .withNewSecret()
                .withSecretName(secret)
                .withDefaultMode(0400)
                .endSecret()
                .endVolume()
                .addNewVolume()
                .withName("parts")
                .withNewProjected()
                .withDefaultMode(0444)
                .addNewSource()
                .withNewSecret()
                .withName(secret)
                .withOptional(true)
                .addNewItem("token", null, secret + "/token")
                .endSecret()
                .endSource()
                .addNewSource()
                .withNewSecret()
                .withName(secret)
                .withOptional(true)
                .addNewItem("username", null, secret + "/username")
                .endSecret()
                .endSource()
                .endProjected()
                .endVolume()
                .editFirstContainer()
                .addNewVolumeMount()
                .withName("whole")
                .withMountPath("/whole")
                .endVolumeMount()
                .addNewVolumeMount()
                .withName("parts")
                .withMountPath("/secrets")
                .endVolumeMount()
                .addToEnv(new EnvVar("WHOLE", "/whole", null), new EnvVar("SECRETS", "/secrets", null))
                .endContainer()
                .endSpec()
                .endTemplate()
                .endSpec();
    }

    private void secret(String name) {
        client.resource(new SecretBuilder()
                        .withNewMetadata()
                        .withName(name)
                        .withNamespace("default")
                        .endMetadata()
                        .addToStringData("token", "of " + name)
                        .addToStringData("other", "not for pods")
                        .build())
                .create();
    }

    @Test
    void aSecretIsFilesAndOfItsKeysThoseThatAPodNamesAndTheSecretHas() {
        secret("hub");
        create(withSecret(
                job(
                        "secret",
                        "cat $SECRETS/hub/token; find $WHOLE/ $SECRETS/ -type f -printf ' %P:%m' | tr ' ' '\\n' | sort"),
                "hub"));

        await("secret", j -> has(j, "Complete"));

        assertThat(client.pods().resource(pod("secret")).getLog())
                .isEqualTo("of hub\nhub/token:444\nother:400\ntoken:400\n");
    }

    @Test
    void aPodWaitsForItsSecret() {
        create(withSecret(job("early", "cat $SECRETS/late/token"), "late"));
        Pod waiting = awaitPod("early", p -> !p.getStatus().getConditions().isEmpty());
        assertThat(waiting.getStatus().getConditions().get(0).getMessage()).isEqualTo("secret \"late\" not found");

        secret("late");

        await("early", j -> has(j, "Complete"));
        assertThat(client.pods().resource(pod("early")).getLog()).isEqualTo("of late");
    }

    @Test
    void aContainerHasItsImagesVariablesUnlessItsPodSaysOtherwise() {
        create(job("variables", "echo $BY_THE_IMAGE $BY_BOTH")
                .editSpec()
                .editTemplate()
                .editSpec()
                .editFirstContainer()
                .addToEnv(new EnvVar("BY_BOTH", "pod", null))
                .endContainer()
                .endSpec()
                .endTemplate()
                .endSpec());

        await("variables", j -> has(j, "Complete"));

        assertThat(client.pods().resource(pod("variables")).getLog()).isEqualTo("1 pod\n");
    }

    @Test
    void failureHasItsExitCodeAndTheEndOfItsLog() {
        create(job("broken", "echo the reason; exit 11")
                .editSpec()
                .editTemplate()
                .editSpec()
                .editFirstContainer()
                .withTerminationMessagePolicy("FallbackToLogsOnError")
                .endContainer()
                .endSpec()
                .endTemplate()
                .endSpec());

        await("broken", j -> has(j, "Failed"));

        assertThat(end("broken").getExitCode()).isEqualTo(11);
        assertThat(end("broken").getMessage()).isEqualTo("the reason\n");
        assertThat(end("broken").getReason()).isEqualTo("Error");
    }

    @Test
    void deletedPodIsAskedToEndAndKilledWhenItDoesNot() throws Exception {
        String script = "trap 'echo asked >> " + dir + "/asked' TERM; echo $$ > " + dir + "/stubborn.new; mv " + dir
                + "/stubborn.new " + dir + "/stubborn; while :; do sleep 0.1; done";
        create(job("stubborn", script)
                .editSpec()
                .editTemplate()
                .editSpec()
                .withTerminationGracePeriodSeconds(1L)
                .endSpec()
                .endTemplate()
                .endSpec());
        while (!Files.exists(dir.resolve("stubborn"))) {
            Thread.sleep(20);
        }
        long pid = Long.parseLong(Files.readString(dir.resolve("stubborn")).strip());
        Pod pod = pod("stubborn");

        client.batch().v1().jobs().inNamespace("default").withName("stubborn").delete();
        client.resource(pod).waitUntilCondition(Objects::isNull, 20, TimeUnit.SECONDS);

        assertThat(dir.resolve("asked")).hasContent("asked");
        assertThat(ProcessHandle.of(pid).filter(ProcessHandle::isAlive)).isEmpty();
    }

    @Test
    void podWaitsUntilWhatItAsksForIsFree() throws Exception {
        JobBuilder first = job("greedy", "while [ ! -e " + dir + "/go ]; do sleep 0.05; done");
        JobBuilder second = job("patient", "true");
        for (JobBuilder job : List.of(first, second)) {
            create(job.editSpec()
                    .editTemplate()
                    .editSpec()
                    .editFirstContainer()
                    .withNewResources()
                    .addToRequests("memory", new Quantity("1Ki"))
                    .endResources()
                    .endContainer()
                    .endSpec()
                    .endTemplate()
                    .endSpec());
            awaitPod(job.buildMetadata().getName(), p -> true);
        }

        Pod waiting = awaitPod("patient", p -> !p.getStatus().getConditions().isEmpty());
        assertThat(waiting.getStatus().getConditions().get(0).getMessage()).contains("Insufficient cpu");

        Files.createFile(dir.resolve("go"));
        await("patient", j -> has(j, "Complete"));
    }

    @Test
    void graphicsCardsAreNotThereToBeHad() {
        create(job("gpu", "true")
                .editSpec()
                .editTemplate()
                .editSpec()
                .editFirstContainer()
                .editResources()
                .addToLimits("nvidia.com/gpu", new Quantity("1"))
                .endResources()
                .endContainer()
                .endSpec()
                .endTemplate()
                .endSpec());

        Pod waiting = awaitPod("gpu", p -> !p.getStatus().getConditions().isEmpty());

        assertThat(waiting.getStatus().getPhase()).isEqualTo("Pending");
        assertThat(waiting.getStatus().getConditions().get(0).getMessage()).contains("Insufficient nvidia.com/gpu");
    }

    @Test
    void whatOnlyARealClusterCanDoIsRefusedByName() {
        create(job("two", "true")
                .editSpec()
                .editTemplate()
                .editSpec()
                .addNewContainer()
                .withName("sidecar")
                .withImage("shell")
                .endContainer()
                .endSpec()
                .endTemplate()
                .endSpec());
        create(job("unknown", "true")
                .editSpec()
                .editTemplate()
                .editSpec()
                .editFirstContainer()
                .withImage("elsewhere/thing:2")
                .endContainer()
                .endSpec()
                .endTemplate()
                .endSpec());

        await("two", j -> has(j, "Failed"));
        assertThat(pod("two").getStatus().getMessage()).contains("a pod of several containers is not supported");
        Pod waiting =
                awaitPod("unknown", p -> !p.getStatus().getContainerStatuses().isEmpty());
        assertThat(waiting.getStatus()
                        .getContainerStatuses()
                        .get(0)
                        .getState()
                        .getWaiting()
                        .getMessage())
                .contains("not elsewhere/thing:2");
    }
}
