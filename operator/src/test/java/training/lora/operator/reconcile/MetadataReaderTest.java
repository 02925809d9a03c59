package training.lora.operator.reconcile;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.server.mock.EnableKubernetesMockClient;
import io.fabric8.kubernetes.client.server.mock.KubernetesMockServer;
import org.junit.jupiter.api.Test;
import training.lora.operator.plan.Reference;
import training.lora.operator.plan.ReferenceView;
import training.lora.operator.plan.ReferenceView.State;

@EnableKubernetesMockClient
@SuppressWarnings("NullAway.Init") // client and server are set by the extension
final class MetadataReaderTest {
    private static final Reference HUB = new Reference(Reference.Kind.Secret, "hub");
    private static final Reference ACCOUNT = new Reference(Reference.Kind.ServiceAccount, "trainings");

    KubernetesClient client;
    KubernetesMockServer server;

    @Test
    void itAsksForMetadataAlone() throws Exception {
        answer("secrets/hub", 200, metadata("true", "7"));

        assertThat(read(HUB)).isEqualTo(new ReferenceView(State.ALLOWED, "u/7"));
        assertThat(server.takeRequest().getHeader("Accept"))
                .isEqualTo("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
    }

    @Test
    void aLabelOfAnotherValueAllowsNothing() {
        answer("serviceaccounts/trainings", 200, metadata("yes", "8"));

        assertThat(read(ACCOUNT)).isEqualTo(new ReferenceView(State.UNLABELLED, "u/8"));
    }

    @Test
    void whatIsNotThereAndWhatMayNotBeSeenAreToldApart() {
        answer("secrets/hub", 404, "{}");
        answer("serviceaccounts/trainings", 403, "{}");

        assertThat(read(HUB)).isEqualTo(ReferenceView.MISSING);
        assertThat(read(ACCOUNT)).isEqualTo(ReferenceView.HIDDEN);
    }

    @Test
    void anotherAnswerIsAFailureThatIsTriedAgain() {
        answer("secrets/hub", 401, "{}");

        assertThatThrownBy(() -> read(HUB)).isInstanceOfSatisfying(KubernetesClientException.class, e -> {
            assertThat(e.getCode()).isEqualTo(401);
            assertThat(e).hasMessageStartingWith("the metadata of Secret hub in namespace default could not be read");
        });
    }

    private ReferenceView read(Reference reference) {
        return new MetadataReader(client).read("default", reference);
    }

    private void answer(String object, int code, String body) {
        server.expect()
                .get()
                .withPath("/api/v1/namespaces/default/" + object)
                .andReturn(code, body)
                .always();
    }

    private static String metadata(String allow, String version) {
        return """
                {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": {"name": "x", "uid": "u",
                 "resourceVersion": "%s", "labels": {"lora.training/allow": "%s"}}}""".formatted(version, allow);
    }
}
