package training.lora.operator.plan;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import training.lora.api.PodTemplate;

final class PodTemplatesTest {
    private static final String SPEC = "`spec.runtime.stages[Train].podTemplate.spec.";

    @Test
    void aFieldThatIsNotAllowedIsNamedAndWhomToAsk() throws Exception {
        assertThat(problems("'spec':{'volumes':[],'tolerations':[]}"))
                .containsExactly(
                        SPEC
                                + "volumes` is not allowed here; ask your platform team to add volumes to the operator's setting `lora.pod-template.allow`");
    }

    @Test
    void aFieldThatThePlatformAllowsIsNoProblem() throws Exception {
        assertThat(problems("'spec':{'volumes':[{'name':'a','emptyDir':{}}]}", "volumes"))
                .isEmpty();
        assertThat(problems("'spec':{'hostNetwork':true}", "volumes"))
                .singleElement()
                .asString()
                .contains("hostNetwork");
    }

    @Test
    void whatTheOperatorDependsOnCantBeAllowed() throws Exception {
        assertThat(problems("'spec':{'restartPolicy':'Always','serviceAccountName':'a','nodeSelectors':{}}"))
                .containsExactlyInAnyOrder(
                        SPEC + "restartPolicy` must be unset: it is the operator's",
                        SPEC + "serviceAccountName` must be given as `spec.runtime.serviceAccountName`",
                        SPEC + "nodeSelectors` must be a field of a pod's spec, which has no nodeSelectors");
    }

    @Test
    void aFieldOfAnotherFormIsNamed() throws Exception {
        assertThat(problems("'spec':{'volumes':5}", "volumes"))
                .singleElement()
                .asString()
                .startsWith(SPEC + "volumes` must have the form that it has in a pod: Cannot deserialize");
    }

    @Test
    void theOperatorsLabelsAndAnnotationsCantBeSet() throws Exception {
        assertThat(problems("'metadata':{'labels':{'lora.training/name':'x','a':'b'},'annotations':{'job-name':'x'}}"))
                .containsExactly(
                        "`spec.runtime.stages[Train].podTemplate.metadata.labels` must not set lora.training/name, which is the operator's",
                        "`spec.runtime.stages[Train].podTemplate.metadata.annotations` must not set job-name, which is the operator's");
    }

    @Test
    void everyFieldThatIsAlwaysAllowedIsAPods() {
        assertThat(PodTemplate.FIELDS).allMatch(PodTemplates::isAllowable);
    }

    private static List<String> problems(String template, String... allowed) throws JsonProcessingException {
        String runtime = "'runtime':{'stages':[{'name':'Train','podTemplate':{%s}}]}".formatted(template);
        PodSettings settings = PodSettingsBuilder.builder(PodSettings.NONE)
                .allowedPodFields(Set.of(allowed))
                .build();
        return PodTemplates.problems(Resources.of(runtime, "{}").getSpec(), settings);
    }
}
