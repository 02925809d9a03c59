package training.lora.operator;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.StatusBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.server.mock.EnableKubernetesMockClient;
import io.fabric8.kubernetes.client.server.mock.KubernetesMockServer;
import io.javaoperatorsdk.operator.Operator;
import io.javaoperatorsdk.operator.api.reconciler.Context;
import io.javaoperatorsdk.operator.api.reconciler.ControllerConfiguration;
import io.javaoperatorsdk.operator.api.reconciler.Ignore;
import io.javaoperatorsdk.operator.api.reconciler.Reconciler;
import io.javaoperatorsdk.operator.api.reconciler.UpdateControl;
import java.time.Duration;
import java.util.Set;
import org.eclipse.microprofile.health.HealthCheckResponse;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import training.lora.api.LoraTraining;

@EnableKubernetesMockClient(crud = true)
@SuppressWarnings("NullAway.Init") // client and server are set by the extension
final class WatchedNamespacesTest {
    private KubernetesClient client;
    private KubernetesMockServer server;
    private Operator operator;
    private WatchedNamespaces watched;

    @BeforeEach
    void setUp() {
        client.getConfiguration().setRequestRetryBackoffLimit(0);
        operator = new Operator(c -> c.withKubernetesClient(client)
                .withCloseClientOnStop(false)
                .withStopOnInformerErrorDuringStartup(false)
                .withCacheSyncTimeout(Duration.ofSeconds(4)));
        watched = new WatchedNamespaces(operator, client);
    }

    @AfterEach
    void stop() {
        operator.stop();
    }

    @Test
    void oneNamespaceThatCanNotBeReadIsLeftAlone() {
        refuse("team-b", 403);

        start("team-a", "team-b");

        assertThat(operator.getRuntimeInfo().allEventSourcesAreHealthy()).isFalse();
        assertThat(alive()).isEqualTo(HealthCheckResponse.Status.UP);
        assertThat(ready()).isEqualTo(HealthCheckResponse.Status.UP);
    }

    @Test
    void withNoNamespaceThatCanBeReadTheOperatorIsOfNoUse() {
        refuse("team-a", 403);
        refuse("team-b", 403);

        start("team-a", "team-b");

        assertThat(alive()).isEqualTo(HealthCheckResponse.Status.DOWN);
        assertThat(ready()).isEqualTo(HealthCheckResponse.Status.DOWN);
    }

    @Test
    void aNamespaceWhoseInformerFailsForAnotherReasonIsNotLeftAlone() {
        refuse("team-b", 500);

        start("team-a", "team-b");

        assertThat(alive()).isEqualTo(HealthCheckResponse.Status.DOWN);
    }

    @Test
    void beforeItHasStartedTheOperatorIsAliveButNotReady() {
        assertThat(alive()).isEqualTo(HealthCheckResponse.Status.UP);
        assertThat(ready()).isEqualTo(HealthCheckResponse.Status.DOWN);
    }

    private HealthCheckResponse.Status alive() {
        return new EventSourcesAlive(watched).call().getStatus();
    }

    private HealthCheckResponse.Status ready() {
        return new EventSourcesReady(watched).call().getStatus();
    }

    private void refuse(String namespace, int code) {
        String path = "/apis/lora.training/v1alpha1/namespaces/" + namespace + "/loratrainings?limit=";
        var status = new StatusBuilder()
                .withCode(code)
                .withMessage("loratrainings are refused")
                .build();
        server.expect().get().withPath(path + 1).andReturn(code, status).always();
        server.expect().get().withPath(path + 500).andReturn(code, status).always();
    }

    private void start(String... namespaces) {
        operator.register(
                new Idle(), o -> o.settingNamespaces(Set.of(namespaces)).withInformerListLimit(500L));
        operator.start();
    }

    /** Does nothing. */
    @Ignore
    @ControllerConfiguration(name = "idle")
    private static final class Idle implements Reconciler<LoraTraining> {
        @Override
        public UpdateControl<LoraTraining> reconcile(LoraTraining resource, Context<LoraTraining> context) {
            return UpdateControl.noUpdate();
        }
    }
}
