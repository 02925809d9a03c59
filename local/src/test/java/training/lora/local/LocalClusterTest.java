package training.lora.local;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.ConfigMapBuilder;
import io.fabric8.kubernetes.api.model.ContainerStateTerminated;
import io.fabric8.kubernetes.api.model.EnvVar;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaimBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.Quantity;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/** Jobs from their creation to the end of their processes. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class LocalClusterTest extends LocalJobs {
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
                .withTerminationGracePeriodSeconds(4L)
                .endSpec()
                .endTemplate()
                .endSpec());
        while (!Files.exists(dir.resolve("stubborn"))) {
            Thread.sleep(20);
        }
        long pid = Long.parseLong(Files.readString(dir.resolve("stubborn")).strip());
        Pod pod = pod("stubborn");

        client.batch().v1().jobs().inNamespace("default").withName("stubborn").delete();
        client.resource(pod).waitUntilCondition(Objects::isNull, 60, TimeUnit.SECONDS);

        assertThat(dir.resolve("asked")).hasContent("asked");
        assertThat(ProcessHandle.of(pid).filter(ProcessHandle::isAlive)).isEmpty();
    }
}
