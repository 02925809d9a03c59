package training.lora.operator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.Stage;
import training.lora.operator.plan.PodSettings;

final class ConfiguredPodsTest {
    @Test
    void everyStageHasRequestsAndLimitsAsShipped() {
        PodSettings pods = ConfiguredPods.of(TestConfig.of(Map.of()));

        for (Stage stage : Stage.values()) {
            assertThat(pods.defaultResources(stage).requests()).containsOnlyKeys("cpu", "memory", "ephemeral-storage");
            assertThat(pods.defaultResources(stage).limits()).containsOnlyKeys("cpu", "memory", "ephemeral-storage");
        }
        assertThat(pods.user()).isEqualTo(1001);
        assertThat(pods.group()).isEqualTo(1001);
        assertThat(pods.fsGroup()).isEqualTo(1001);
        assertThat(pods.imagePullSecrets()).isEmpty();
        assertThat(pods.gpuNodeSelector()).isEmpty();
        assertThat(pods.allowedPodFields()).isEmpty();
        assertThat(pods.environment()).isEmpty();
    }

    @Test
    void theEnvironmentSaysOtherwise() {
        PodSettings pods = ConfiguredPods.of(TestConfig.of(Map.of(
                "LORA_POD_RUN_AS_USER", "",
                "LORA_POD_RUN_AS_GROUP", "",
                "LORA_POD_FS_GROUP", "2000",
                "LORA_POD_IMAGE_PULL_SECRETS", "one,two",
                "LORA_POD_TEMPLATE_ALLOW", "volumes,containers",
                "LORA_GPU_NODE_SELECTOR", "nvidia.com/gpu.present=true,zone=a",
                "LORA_DEFAULTS_STAGES_TRAIN_LIMITS_CPU", "",
                "LORA_DEFAULTS_STAGES_TRAIN_REQUESTS_EPHEMERAL_STORAGE", "500Mi")));

        assertThat(pods.user()).isNull();
        assertThat(pods.group()).isNull();
        assertThat(pods.fsGroup()).isEqualTo(2000);
        assertThat(pods.imagePullSecrets()).containsExactly("one", "two");
        assertThat(pods.allowedPodFields()).containsExactlyInAnyOrder("volumes", "containers");
        assertThat(pods.gpuNodeSelector()).isEqualTo(Map.of("nvidia.com/gpu.present", "true", "zone", "a"));
        assertThat(pods.defaultResources(Stage.Train).limits()).doesNotContainKey("cpu");
        assertThat(pods.defaultResources(Stage.Train).requests()).containsEntry("ephemeral-storage", "500Mi");
    }

    @ParameterizedTest
    @ValueSource(strings = {"true", "false"})
    void trainersFindOutWhereTheBucketStandsUnlessItIsSaid(String inPath) {
        assertThat(with("LORA_S3_PATH_STYLE", "").environment()).isEmpty();
        assertThat(with("LORA_S3_PATH_STYLE", inPath).environment()).isEqualTo(Map.of("LORA_S3_PATH_STYLE", inPath));
    }

    @Test
    void trainersAreToldOfThePlatformsCaptioner() {
        assertThat(with("LORA_CAPTIONER", "").environment()).isEmpty();
        String captioner = "{\"source\": \"OpenAI\", \"api\": {\"model\": \"m\", \"secretRef\": {\"name\": \"key\"}}}";
        assertThat(with("LORA_CAPTIONER", captioner).environment()).isEqualTo(Map.of("LORA_CAPTIONER", captioner));
        assertThat(with("LORA_CAPTIONER", captioner).captionerSecrets()).containsExactly("key");
    }

    @Test
    void aSettingThatCantBeIsNamed() {
        assertThatThrownBy(() -> with("LORA_DEFAULTS_STAGES_PREPARE_REQUESTS_MEMORY", "much"))
                .hasMessage(
                        "`lora.defaults.stages.prepare.requests.memory` must be a quantity such as 2 or 8Gi, was \"much\"");
        assertThatThrownBy(() -> with("LORA_GPU_NODE_SELECTOR", "gpu"))
                .hasMessage("`lora.gpu-node-selector` must be a list of LABEL=VALUE, had \"gpu\"");
        assertThatThrownBy(() -> with("LORA_POD_TEMPLATE_ALLOW", "volumes,restartPolicy"))
                .hasMessageContaining("must name fields of a pod's spec other than activeDeadlineSeconds")
                .hasMessageEndingWith("had \"restartPolicy\"");
        assertThatThrownBy(() -> with("LORA_SOURCES_PROXY", "http://me:secret@proxy:3128"))
                .hasMessage(
                        "`lora.sources.proxy` must be a URL such as https://host:8080, without a password, was \"http://me:secret@proxy:3128\"");
        assertThatThrownBy(() -> with("LORA_SOURCES_LIMIT", "much"))
                .hasMessage("`lora.sources.limit` must be a quantity such as 2 or 8Gi, was \"much\"");
        assertThatThrownBy(() -> with("LORA_SOURCES_CA_BUNDLE", "/etc/ca.crt"))
                .hasMessage("`lora.sources.ca-bundle` needs `lora.tls.secret`: pods are told both by one ConfigMap");
        assertThatThrownBy(() -> with("LORA_CAPTIONER", "{\"source\": \"OpenAI\"}"))
                .hasMessage(
                        "`lora.captioner.api` must be given where source is OpenAI, and else be unset; source was OpenAI");
        assertThatThrownBy(() -> with("LORA_CAPTIONER", "{\"sauce\": \"Blip\"}"))
                .hasMessageStartingWith("`lora.captioner` must hold fields of spec.preparation.captions in JSON: ");
        assertThatThrownBy(() -> with("LORA_POD_TEMPLATE_ALLOW", "volume")).hasMessageEndingWith("had \"volume\"");
    }

    private static PodSettings with(String variable, String value) {
        return ConfiguredPods.of(TestConfig.of(Map.of(variable, value)));
    }
}
