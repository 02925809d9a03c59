package training.lora.operator.reconcile;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.builder.VisitableBuilder;
import io.fabric8.kubernetes.api.model.ListMeta;
import io.fabric8.kubernetes.api.model.ListMetaBuilder;
import io.fabric8.kubernetes.api.model.ObjectMeta;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.PodListBuilder;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.api.model.batch.v1.JobBuilder;
import io.fabric8.kubernetes.api.model.batch.v1.JobListBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.server.mock.EnableKubernetesMockClient;
import io.fabric8.kubernetes.client.server.mock.KubernetesMockServer;
import io.javaoperatorsdk.operator.Operator;
import io.javaoperatorsdk.operator.api.reconciler.Context;
import io.javaoperatorsdk.operator.api.reconciler.ControllerConfiguration;
import io.javaoperatorsdk.operator.api.reconciler.EventSourceContext;
import io.javaoperatorsdk.operator.api.reconciler.Ignore;
import io.javaoperatorsdk.operator.api.reconciler.Reconciler;
import io.javaoperatorsdk.operator.api.reconciler.UpdateControl;
import io.javaoperatorsdk.operator.processing.event.ResourceID;
import io.javaoperatorsdk.operator.processing.event.source.EventSource;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import training.lora.api.LoraTraining;
import training.lora.operator.plan.Names;

@EnableKubernetesMockClient(crud = true)
@SuppressWarnings("NullAway.Init") // client and server are set by the extension
final class InformersTest {
    private static final ListMeta LIST =
            new ListMetaBuilder().withResourceVersion("7").build();

    private KubernetesClient client;
    private KubernetesMockServer server;
    private Operator operator;
    private final Listener listener = new Listener();

    @BeforeEach
    void setUp() {
        operator = new Operator(c -> c.withKubernetesClient(client).withCloseClientOnStop(false));
    }

    @AfterEach
    void stop() {
        operator.stop();
    }

    /** The lists alone tell of them: the mock's watches would tell again of all that it holds, as no API server's do. */
    @Test
    void eachOfSeveralNamespacesIsHeardOf() {
        for (String namespace : List.of("team-a", "team-b", "team-c")) {
            listed(
                    "/apis/batch/v1/namespaces/" + namespace + "/jobs",
                    new JobListBuilder().withMetadata(LIST).addToItems(job(namespace)));
            listed(
                    "/api/v1/namespaces/" + namespace + "/pods",
                    new PodListBuilder().withMetadata(LIST).addToItems(pod(namespace)));
        }

        start(Set.of("team-a", "team-b", "team-c"));

        for (String namespace : List.of("team-a", "team-b", "team-c")) {
            assertHeard(namespace);
        }
    }

    @Test
    void allNamespacesAreHeardOfByOneInformerOfEachKind() {
        client.resource(job("team-a")).create();
        client.resource(pod("team-a")).create();

        start(null);

        assertHeard("team-a");
        assertThat(informers().sources()).hasSize(2);
    }

    private void listed(String path, VisitableBuilder<?, ?> list) {
        String query = "?labelSelector=app.kubernetes.io%2Fmanaged-by%3Dlora-operator&limit=500";
        server.expect()
                .get()
                .withPath(path + query)
                .andReturn(200, list.build())
                .always();
    }

    private void assertHeard(String namespace) {
        assertThat(informers().jobs(style(namespace)))
                .as("Jobs of " + namespace)
                .extracting(j -> j.getMetadata().getNamespace())
                .containsExactly(namespace);
        assertThat(informers().pods(style(namespace)))
                .as("pods of " + namespace)
                .extracting(p -> p.getMetadata().getNamespace())
                .containsExactly(namespace);
        assertThat(informers().pod(new ResourceID("style-train-1", namespace))).isPresent();
    }

    private void start(@Nullable Set<String> namespaces) {
        operator.register(listener, o -> {
            if (namespaces != null) {
                o.settingNamespaces(namespaces);
            }
        });
        operator.start();
    }

    private Informers informers() {
        return Objects.requireNonNull(listener.informers);
    }

    private static LoraTraining style(String namespace) {
        LoraTraining style = new LoraTraining();
        style.setMetadata(metadata(namespace, "style"));
        return style;
    }

    private static Job job(String namespace) {
        Job job = new JobBuilder()
                .withMetadata(metadata(namespace, "style-train-1"))
                .withNewSpec()
                .withNewTemplate()
                .withNewSpec()
                .addNewContainer()
                .withName("trainer")
                .endContainer()
                .endSpec()
                .endTemplate()
                .endSpec()
                .build();
        return job;
    }

    private static Pod pod(String namespace) {
        Pod pod = new PodBuilder()
                .withMetadata(metadata(namespace, "style-train-1"))
                .build();
        return pod;
    }

    private static ObjectMeta metadata(String namespace, String name) {
        return new ObjectMetaBuilder()
                .withNamespace(namespace)
                .withName(name)
                .withResourceVersion("5")
                .addToLabels(Names.NAME, "style")
                .addToLabels(Names.MANAGED_BY, Names.OPERATOR)
                .build();
    }

    /** Does nothing with what is heard. */
    @Ignore
    @ControllerConfiguration(name = "listener")
    private static final class Listener implements Reconciler<LoraTraining> {
        private @Nullable Informers informers;

        @Override
        public List<EventSource<?, LoraTraining>> prepareEventSources(EventSourceContext<LoraTraining> context) {
            informers = new Informers(context);
            return informers.sources();
        }

        @Override
        public UpdateControl<LoraTraining> reconcile(LoraTraining resource, Context<LoraTraining> context) {
            return UpdateControl.noUpdate();
        }
    }
}
