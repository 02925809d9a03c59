package training.lora.operator.plan;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.EnvVar;
import io.fabric8.kubernetes.api.model.PodSpec;
import io.fabric8.kubernetes.api.model.SecretProjection;
import io.fabric8.kubernetes.api.model.Volume;
import io.fabric8.kubernetes.api.model.VolumeProjection;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** The Secret with the key of the platform's captioner. */
class CaptionerSecretTest {
    private static PodSpec pod(Scene scene, String job) {
        scene.settings = Scene.settings(
                "trainer:1",
                PodSettingsBuilder.builder(PodSettings.NONE)
                        .captionerSecrets(Set.of("key"))
                        .build());
        scene.plan();
        return scene.job(job).getSpec().getTemplate().getSpec();
    }

    private static List<SecretProjection> secrets(PodSpec pod) {
        return pod.getVolumes().stream()
                .filter(volume -> volume.getName().equals("secrets"))
                .map(Volume::getProjected)
                .flatMap(projected -> projected.getSources().stream())
                .map(VolumeProjection::getSecret)
                .toList();
    }

    private static List<String> variables(PodSpec pod) {
        return pod.getContainers().get(0).getEnv().stream().map(EnvVar::getName).toList();
    }

    @Test
    void prepareGetsItWithoutALabelAndWithoutWaitingForIt() throws Exception {
        PodSpec pod = pod(Scene.of(""), "style-prepare-1");

        assertThat(secrets(pod))
                .isNotEmpty()
                .allSatisfy(secret -> {
                    assertThat(secret.getName()).isEqualTo("key");
                    assertThat(secret.getOptional()).isTrue();
                })
                .anySatisfy(
                        secret -> assertThat(secret.getItems().get(0).getPath()).isEqualTo("key/token"));
        assertThat(variables(pod)).contains("LORA_SECRETS");
    }

    @Test
    void noOtherStageGetsItNorATrainingThatNeedsNoCaptioner() throws Exception {
        PodSpec train = pod(Scene.prepared(""), "style-train-1");
        PodSpec none = pod(Scene.of("'preparation':{'captions':{'source':'Sidecar'}}"), "style-prepare-1");

        assertThat(secrets(train)).isEmpty();
        assertThat(secrets(none)).isEmpty();
        assertThat(variables(train)).doesNotContain("LORA_SECRETS");
        assertThat(variables(none)).doesNotContain("LORA_SECRETS");
    }
}
