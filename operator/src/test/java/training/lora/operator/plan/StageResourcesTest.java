package training.lora.operator.plan;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.ResourceRequirements;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.LoraTraining;
import training.lora.api.ResourcesSpec;
import training.lora.api.Stage;

final class StageResourcesTest {
    private static final PodSettings SETTINGS = PodSettingsBuilder.builder(PodSettings.NONE)
            .defaultResources(
                    Map.of(Stage.Train, new ResourcesSpec(Map.of("cpu", "2"), Map.of("cpu", "4", "memory", "8Gi"))))
            .build();

    /** What was given stays, and a default gives way to it, so that no request is above its limit. */
    @ParameterizedTest
    @CsvSource(
            nullValues = "-",
            value = {
                "-,-,2,4",
                "1,-,1,4",
                "6,-,6,6",
                "-,1,1,1",
                "-,500m,500m,500m",
                "-,8,2,8",
                "3,3,3,3",
                "3000m,-,3000m,4"
            })
    void aDefaultGivesWay(String givenRequest, String givenLimit, String request, String limit) throws Exception {
        String resources = "'requests':{%s},'limits':{%s}".formatted(cpu(givenRequest), cpu(givenLimit));
        LoraTraining resource =
                Resources.of("'runtime':{'stages':[{'name':'Train','resources':{%s}}]}".formatted(resources), "{}");

        ResourceRequirements effective = StageResources.of(resource, Stage.Train, SETTINGS);

        assertThat(effective.getRequests().get("cpu")).hasToString(request);
        assertThat(effective.getLimits().get("cpu")).hasToString(limit);
        assertThat(effective.getRequests()).doesNotContainKey("memory");
        assertThat(effective.getLimits().get("memory")).hasToString("8Gi");
    }

    private static String cpu(String quantity) {
        return quantity == null ? "" : "'cpu':'%s'".formatted(quantity);
    }
}
