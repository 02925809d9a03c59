package training.lora.local;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.EnvVar;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.Quantity;
import io.fabric8.kubernetes.api.model.SecretBuilder;
import io.fabric8.kubernetes.api.model.batch.v1.JobBuilder;
import java.nio.file.Files;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/** What pods wait for, and what they are refused. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class LocalPodsTest extends LocalJobs {
    private Pod awaitPod(String job, Predicate<Pod> condition) {
        await(job, j -> !client.pods()
                .inNamespace("default")
                .withLabel(UID_LABEL, job)
                .list()
                .getItems()
                .isEmpty());
        return client.resource(pod(job)).waitUntilCondition(p -> p != null && condition.test(p), 20, TimeUnit.SECONDS);
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
    void aPodWaitsForItsSecret() {
        create(withSecret(job("early", "cat $SECRETS/late/token"), "late"));
        Pod waiting = awaitPod("early", p -> !p.getStatus().getConditions().isEmpty());
        assertThat(waiting.getStatus().getConditions().get(0).getMessage()).isEqualTo("secret \"late\" not found");

        secret("late");

        await("early", j -> has(j, "Complete"));
        assertThat(client.pods().resource(pod("early")).getLog()).isEqualTo("of late");
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
