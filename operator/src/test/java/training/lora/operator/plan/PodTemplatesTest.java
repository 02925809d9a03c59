package training.lora.operator.plan;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
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

    @ParameterizedTest
    @ValueSource(
            strings = {
                "cdi.k8s.io/gpus",
                "container.apparmor.security.beta.kubernetes.io/trainer",
                "container.seccomp.security.alpha.kubernetes.io/trainer",
                "devices.nri.io/container.trainer",
                "io.katacontainers.config.hypervisor.kernel_params",
                "io.kubernetes.cri-o.Devices",
                "k8s.v1.cni.cncf.io/networks",
                "kubernetes.io/egress-bandwidth",
                "seccomp.security.alpha.kubernetes.io/pod",
            })
    void anAnnotationThatContainerRuntimesReadIsThePlatformsToAllow(String name) throws Exception {
        String template = "'metadata':{'annotations':{'%s':'x','sidecar.istio.io/inject':'false'}}".formatted(name);

        assertThat(problems(template))
                .containsExactly(
                        "`spec.runtime.stages[Train].podTemplate.metadata.annotations` must not set " + name
                                + ", which container runtimes or networks may read; ask your platform team to add annotations to the operator's setting `lora.pod-template.allow`");
        assertThat(problems(template, "annotations")).isEmpty();
    }

    @Test
    void aQueuesLabelsAndAnnotationsAreTheResources() throws Exception {
        assertThat(problems(
                        "'metadata':{'labels':{'kueue.x-k8s.io/queue-name':'a'},'annotations':{'kueue.x-k8s.io/podset-preferred-topology':'b'}}",
                        "annotations"))
                .containsExactly(
                        "`spec.runtime.stages[Train].podTemplate.metadata.labels` must not set kueue.x-k8s.io/queue-name, which is read from `metadata`",
                        "`spec.runtime.stages[Train].podTemplate.metadata.annotations` must not set kueue.x-k8s.io/podset-preferred-topology, which is read from `metadata`");
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
