package training.lora.local.apiserver;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.ConfigMap;
import io.fabric8.kubernetes.api.model.ConfigMapBuilder;
import io.fabric8.kubernetes.api.model.authentication.TokenRequestBuilder;
import io.fabric8.kubernetes.api.model.authentication.TokenReview;
import io.fabric8.kubernetes.api.model.authentication.TokenReviewBuilder;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.fabric8.kubernetes.client.Watcher;
import io.fabric8.kubernetes.client.WatcherException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class Fabric8Test {
    private ApiServer server;
    private KubernetesClient client;

    @BeforeEach
    void start(@TempDir Path dir) throws Exception {
        server = ApiServer.start(new ApiServerConfig(0, dir, pod -> null));
        client = new KubernetesClientBuilder()
                .withConfig(Config.fromKubeconfig(Files.readString(server.kubeconfig())))
                .build();
    }

    @AfterEach
    void stop() {
        client.close();
        server.close();
    }

    private static ConfigMap configMap(String value) {
        return new ConfigMapBuilder()
                .withNewMetadata()
                .withName("c")
                .withNamespace("default")
                .endMetadata()
                .addToData("key", value)
                .build();
    }

    @Test
    void watchSeesEachWrite() throws Exception {
        BlockingQueue<String> seen = new LinkedBlockingQueue<>();
        try (var watch = client.configMaps().inNamespace("default").watch(new Watcher<>() {
            @Override
            public void eventReceived(Action action, ConfigMap map) {
                seen.add(action + " " + map.getData().get("key"));
            }

            @Override
            public void onClose(WatcherException cause) {}
        })) {
            client.resource(configMap("a")).create();
            client.resource(configMap("b")).serverSideApply();
            client.resource(configMap("b")).delete();

            assertThat(seen.poll(10, TimeUnit.SECONDS)).isEqualTo("ADDED a");
            assertThat(seen.poll(10, TimeUnit.SECONDS)).isEqualTo("MODIFIED b");
            assertThat(seen.poll(10, TimeUnit.SECONDS)).isEqualTo("DELETED b");
        }
    }

    @Test
    void tokenIsValidForItsAudienceOnly() {
        String token = client.serviceAccounts()
                .inNamespace("default")
                .withName("default")
                .tokenRequest(new TokenRequestBuilder()
                        .withNewSpec()
                        .withAudiences("mine")
                        .endSpec()
                        .build())
                .getStatus()
                .getToken();

        assertThat(review(token, "mine").getStatus().getAuthenticated()).isTrue();
        assertThat(review(token, "mine").getStatus().getUser().getUsername())
                .isEqualTo("system:serviceaccount:default:default");
        assertThat(review(token, "other").getStatus().getAuthenticated()).isFalse();
        assertThat(review("made up", "mine").getStatus().getAuthenticated()).isFalse();
    }

    private TokenReview review(String token, String audience) {
        return client.resource(new TokenReviewBuilder()
                        .withNewSpec()
                        .withToken(token)
                        .withAudiences(audience)
                        .endSpec()
                        .build())
                .create();
    }
}
