package training.lora.local.apiserver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fabric8.kubernetes.api.model.ConfigMap;
import io.fabric8.kubernetes.api.model.ConfigMapBuilder;
import io.fabric8.kubernetes.api.model.ListOptions;
import io.fabric8.kubernetes.api.model.ListOptionsBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.Secret;
import io.fabric8.kubernetes.api.model.SecretBuilder;
import io.fabric8.kubernetes.api.model.authentication.TokenRequestBuilder;
import io.fabric8.kubernetes.api.model.authentication.TokenReviewBuilder;
import io.fabric8.kubernetes.api.model.authentication.TokenReviewStatus;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.fabric8.kubernetes.client.Watcher;
import io.fabric8.kubernetes.client.WatcherException;
import io.fabric8.kubernetes.client.dsl.NonDeletingOperation;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class Fabric8Test {
    private ApiServer server;
    private KubernetesClient client;

    @BeforeAll
    void start(@TempDir Path dir) throws Exception {
        server = ApiServer.start(dir, (namespace, pod) -> null);
        client = new KubernetesClientBuilder()
                .withConfig(Config.fromKubeconfig(Files.readString(server.kubeconfig())))
                .build();
    }

    @AfterAll
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
    void aSecretsTextsBecomeDataAndItsMetadataComesAlone() throws Exception {
        client.resource(new SecretBuilder()
                        .withNewMetadata()
                        .withName("hub")
                        .withNamespace("default")
                        .addToLabels("a", "b")
                        .endMetadata()
                        .addToStringData("token", "x y")
                        .build())
                .create();

        Secret stored = client.secrets().inNamespace("default").withName("hub").get();
        assertThat(stored.getStringData()).isEmpty();
        assertThat(stored.getData()).isEqualTo(Map.of("token", "eCB5"));
        assertThat(stored.getType()).isEqualTo("Opaque");
        String metadata = metadata("secrets/hub", "v1");
        assertThat(metadata)
                .contains("\"kind\":\"PartialObjectMetadata\"", "\"labels\":{\"a\":\"b\"}", "\"resourceVersion\"")
                .doesNotContain("token", "eCB5");
        assertThat(metadata("secrets", "v1"))
                .contains("\"kind\":\"PartialObjectMetadataList\"", "\"name\":\"hub\"")
                .doesNotContain("token", "eCB5");
        assertThat(metadata("secrets/hub", "1")).contains("\"reason\":\"NotAcceptable\"");
    }

    private String metadata(String what, String version) throws Exception {
        var http = client.getHttpClient();
        return new String(
                http.sendAsync(
                                http.newHttpRequestBuilder()
                                        .uri(client.getMasterUrl() + "api/v1/namespaces/default/" + what)
                                        .header(
                                                "Accept",
                                                "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=" + version)
                                        .build(),
                                byte[].class)
                        .get(10, TimeUnit.SECONDS)
                        .body(),
                StandardCharsets.UTF_8);
    }

    @Test
    void aSecretThatCantBeOneIsRefused() {
        Secret secret = new SecretBuilder()
                .withNewMetadata()
                .withName("wrong")
                .withNamespace("default")
                .endMetadata()
                .addToData("token", "no base64!")
                .build();

        assertThatThrownBy(() -> client.resource(secret).create()).hasMessageContaining("data[token]: must be base64");
    }

    @Test
    void watchSeesEachWrite() throws Exception {
        BlockingQueue<String> seen = new LinkedBlockingQueue<>();
        // From here on: the watch may be there only after the first writes.
        ListOptions now = new ListOptionsBuilder()
                .withResourceVersion(client.configMaps()
                        .inNamespace("default")
                        .list()
                        .getMetadata()
                        .getResourceVersion())
                .build();
        try (var watch = client.configMaps().inNamespace("default").watch(now, new Watcher<>() {
            @Override
            public void eventReceived(Action action, ConfigMap map) {
                seen.add(action + " " + map.getData().get("key"));
            }

            @Override
            public void onClose(WatcherException cause) {}
        })) {
            client.resource(configMap("a")).createOr(NonDeletingOperation::update);
            client.resource(configMap("b")).createOr(NonDeletingOperation::update);
            client.resource(configMap("b")).delete();

            assertThat(seen.poll(10, TimeUnit.SECONDS)).isEqualTo("ADDED a");
            assertThat(seen.poll(10, TimeUnit.SECONDS)).isEqualTo("MODIFIED b");
            assertThat(seen.poll(10, TimeUnit.SECONDS)).isEqualTo("DELETED b");
        }
    }

    @Test
    void tokenIsGoodForItsAudienceAsLongAsItsPodIsThere() {
        Pod pod = client.resource(new PodBuilder()
                        .withNewMetadata()
                        .withName("p")
                        .withNamespace("default")
                        .endMetadata()
                        .withNewSpec()
                        .addNewContainer()
                        .withName("c")
                        .withImage("i")
                        .endContainer()
                        .endSpec()
                        .build())
                .create();
        String token = client.serviceAccounts()
                .inNamespace("default")
                .withName("default")
                .tokenRequest(new TokenRequestBuilder()
                        .withNewSpec()
                        .withAudiences("mine")
                        .withNewBoundObjectRef(
                                "v1", "Pod", "p", pod.getMetadata().getUid())
                        .endSpec()
                        .build())
                .getStatus()
                .getToken();

        assertThat(review(token, "mine").getUser().getUsername()).isEqualTo("system:serviceaccount:default:default");
        assertThat(review(token, "mine").getUser().getExtra())
                .containsEntry("authentication.kubernetes.io/pod-name", java.util.List.of("p"));
        assertThat(review(token, "other").getAuthenticated()).isFalse();
        assertThat(review("made up", "mine").getAuthenticated()).isFalse();

        client.resource(pod).delete();
        assertThat(review(token, "mine").getAuthenticated()).isFalse();
    }

    private TokenReviewStatus review(String token, String audience) {
        return client.resource(new TokenReviewBuilder()
                        .withNewSpec()
                        .withToken(token)
                        .withAudiences(audience)
                        .endSpec()
                        .build())
                .create()
                .getStatus();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "PATCH | /api/v1/namespaces/default/configmaps/there | application/apply-patch+yaml | {} | 415 | apply without --server-side",
                "PATCH | /api/v1/namespaces/default/configmaps/there | application/strategic-merge-patch+json | {\"a\":[]} | 415 | no lists in it",
                "PATCH | /api/v1/namespaces/default/configmaps/there | text/json | {} | 415 | application/merge-patch+json",
                "PATCH | /api/v1/namespaces/default/configmaps/there | application/json-patch+json | [{\"op\":\"remove\",\"path\":\"/x\"}] | 422 | can't be applied",
                "POST | /api/v1/namespaces/default/configmaps | application/vnd.kubernetes.protobuf | k8s | 400 | it is cut off",
                "POST | /api/v1/namespaces/default/configmaps?dryRun=All | application/json | {} | 400 | dryRun",
                "POST | /api/v1/namespaces/default/configmaps | application/json | {\"metadata\":{\"generateName\":\"a\"}} | 422 | metadata.name",
                "POST | /api/v1/namespaces/none/configmaps | application/json | {\"metadata\":{\"name\":\"a\"}} | 422 | \"none\" not found",
                "POST | /api/v1/configmaps | application/json | {\"metadata\":{\"name\":\"a\"}} | 400 | in a namespace",
                "DELETE | /api/v1/namespaces/default/configmaps | application/json | {} | 405 | DELETE of a collection",
                "DELETE | /api/v1/namespaces/default/configmaps/there | application/json | {\"propagationPolicy\":\"Orphan\"} | 400 | Orphan",
                "DELETE | /api/v1/namespaces/default | application/json | {} | 405 | the deletion of namespaces",
                "GET | /api/v1/namespaces/default/configmaps?labelSelector=a+in+(b,c) | application/json | {} | 400 | a in (b,c)",
                "GET | /api/v1/namespaces/default/configmaps?watch=1&sendInitialEvents=true | application/json | {} | 422 | sendInitialEvents",
                "GET | /api/v1/namespaces/default/services | application/json | {} | 404 | services of v1 is not served",
                "GET | /api/v1/namespaces/default/pods/there/exec | application/json | {} | 404 | pods/exec is not served",
                "POST | /apis/batch/v1/namespaces/default/jobs | application/json | {\"apiVersion\":\"batch/v1\",\"kind\":\"Job\",\"metadata\":{\"name\":\"a\"},\"spec\":{\"ttlSecondsAfterFinished\":1,\"backoffLimit\":2}} | 422 | spec.ttlSecondsAfterFinished: is not supported",
                "POST | /api/v1/namespaces/default/configmaps | application/json | {\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\",\"label\":{}}} | 400 | unknown field \"metadata.label\""
            })
    void whatIsNotSupportedIsRefusedInOneSentence(
            String method, String path, String type, String body, int code, String sentence) throws Exception {
        client.resource(new ConfigMapBuilder(configMap("a"))
                        .editMetadata()
                        .withName("there")
                        .endMetadata()
                        .build())
                .createOr(NonDeletingOperation::update);
        var http = client.getHttpClient();
        var request = http.newHttpRequestBuilder()
                .uri(URI.create(server.url() + path))
                .method(method, type, method.equals("GET") ? null : body)
                .build();

        var response = http.sendAsync(request, String.class).get(10, TimeUnit.SECONDS);

        assertThat(response.body()).contains(sentence.replace("\"", "\\\"")).contains("\"kind\":\"Status\"");
        assertThat(response.code()).isEqualTo(code);
    }
}
