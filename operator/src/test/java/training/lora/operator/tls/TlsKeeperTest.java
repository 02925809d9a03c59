package training.lora.operator.tls;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fabric8.kubernetes.api.model.ConfigMapBuilder;
import io.fabric8.kubernetes.api.model.Secret;
import io.fabric8.kubernetes.api.model.SecretBuilder;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.server.mock.EnableKubernetesMockClient;
import io.fabric8.kubernetes.client.server.mock.KubernetesMockServer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.operator.OperatorConfig;
import training.lora.operator.TestConfig;

@EnableKubernetesMockClient(crud = true)
@SuppressWarnings("NullAway.Init") // client and server are set by the extension
final class TlsKeeperTest {
    private static final Instant NOW = Instant.parse("2026-01-01T00:00:00Z");

    private static final String SECRET = "/api/v1/namespaces/lora-system/secrets/lora-operator-tls";

    KubernetesClient client;
    KubernetesMockServer server;

    @Test
    void replicasShareTheCertificateOfTheFirst() {
        TlsKeeper one = keeper(NOW, Map.of());
        TlsKeeper two = keeper(NOW, Map.of());

        one.check();
        two.check();

        assertThat(one.ready()).isTrue();
        assertThat(requireNonNull(two.key().getCertificateChain("server"))[0])
                .isEqualTo(requireNonNull(one.key().getCertificateChain("server"))[0]);
    }

    @Test
    void anEmptySecretIsFilledAndARotationIsWrittenToIt() {
        client.secrets()
                .resource(new SecretBuilder()
                        .withNewMetadata()
                        .withName("lora-operator-tls")
                        .withNamespace("lora-system")
                        .addToLabels("app.kubernetes.io/managed-by", "Helm")
                        .endMetadata()
                        .build())
                .create();

        keeper(NOW, Map.of()).check();
        Secret first = secret();
        keeper(NOW.plus(Duration.ofDays(61)), Map.of()).check();

        assertThat(first.getMetadata().getLabels()).containsEntry("app.kubernetes.io/managed-by", "Helm");
        assertThat(secret().getData()).containsAllEntriesOf(first.getData()).containsKey("next.tls.crt");
    }

    @Test
    void thePlatformsAuthoritiesAreToldWithTheOperatorsAndFollowTheirFile(@TempDir Path folder) throws Exception {
        Path bundle = folder.resolve("ca.crt");
        TlsKeeper keeper = keeper(NOW, Map.of("LORA_SOURCES_CA_BUNDLE", bundle.toString()));
        keeper.check();
        String first = "# ours\n" + decoded(requireNonNull(secret().getData().get("ca.crt")));
        Files.writeString(bundle, first);
        List<String> told = told("art");
        keeper.ensure("art");
        keeper.ensure("art");
        assertThat(told).singleElement().asString().contains("\"bundle.crt\":\"# ours", "\"ca.crt\":\"-----BEGIN");

        Files.writeString(bundle, "# others\n" + first);
        keeper.ensure("art");
        assertThat(told).hasSize(2);
        assertThat(told.get(1)).contains("\"bundle.crt\":\"# others");

        Files.writeString(bundle, "none");
        keeper.ensure("art");
        Files.delete(bundle);
        keeper.ensure("art");
        assertThat(told).as("what can't be read changes nothing").hasSize(2);
    }

    @Test
    void anOperatorThatBeginsWithoutTheirFileTellsWhatWasToldBeforeOrNone(@TempDir Path folder) {
        TlsKeeper keeper = keeper(
                NOW, Map.of("LORA_SOURCES_CA_BUNDLE", folder.resolve("ca.crt").toString()));
        keeper.check();
        client.configMaps()
                .resource(new ConfigMapBuilder()
                        .withNewMetadata()
                        .withNamespace("earlier")
                        .withName("lora-operator-ca")
                        .endMetadata()
                        .addToData("bundle.crt", "# good")
                        .build())
                .create();
        List<String> earlier = told("earlier");
        List<String> art = told("art");

        keeper.ensure("earlier");
        keeper.ensure("art");
        keeper.ensure("art");

        assertThat(earlier).singleElement().asString().contains("\"bundle.crt\":\"# good\"");
        assertThat(art)
                .singleElement()
                .asString()
                .contains("\"bundle.crt\":\"# `sources.caBundle` has no certificates");
    }

    private static String decoded(String base64) {
        return new String(Base64.getDecoder().decode(base64), StandardCharsets.UTF_8);
    }

    /** What the namespace's ConfigMap is written with. */
    private List<String> told(String namespace) {
        List<String> bodies = new ArrayList<>();
        server.expect()
                .patch()
                .withPath(patchOf(namespace))
                .andReply(200, request -> {
                    bodies.add(request.getBody().readUtf8());
                    return new ConfigMapBuilder()
                            .withNewMetadata()
                            .endMetadata()
                            .build();
                })
                .always();
        return bodies;
    }

    @Test
    void aCertificateOfSomebodyElseIsOnlyRead() {
        Map<String, String> external = Map.of("LORA_TLS_MANAGE", "false");

        assertThatThrownBy(() -> keeper(NOW, external).check()).hasMessage("it must have tls.crt, tls.key and ca.crt");
        keeper(NOW, Map.of()).check();
        Secret there = secret();
        TlsKeeper reader = keeper(NOW.plus(Duration.ofDays(89)), external);
        reader.check();

        assertThat(reader.ready()).isTrue();
        assertThat(secret().getMetadata().getResourceVersion())
                .isEqualTo(there.getMetadata().getResourceVersion());
    }

    @Test
    void withoutASecretThereIsNoTls() {
        TlsKeeper off = new TlsKeeper(client, TestConfig.of(Map.of()), clock(NOW));

        off.ensure("trainings");

        assertThat(off.ready()).isTrue();
        assertThat(client.configMaps().inNamespace("trainings").list().getItems())
                .isEmpty();
    }

    @Test
    void aCheckThatFailsIsTriedAgainLaterEachTime() {
        failing(client.getConfiguration());
        server.expect().get().withPath(SECRET).andReturn(500, null).always();
        TlsKeeper keeper = keeper(NOW, Map.of());

        assertThat(Stream.generate(keeper::round).limit(8).map(Duration::toSeconds))
                .containsExactly(1L, 2L, 4L, 8L, 16L, 32L, 60L, 60L);
    }

    @Test
    void aNamespaceThatRefusesItsConfigMapHoldsUpNoOther() {
        failing(client.getConfiguration());
        AtomicInteger written = writesTo("team");
        server.expect()
                .patch()
                .withPath(patchOf("lora-system"))
                .andReturn(403, null)
                .always();
        TlsKeeper keeper = keeper(NOW, Map.of());
        keeper.remember("lora-system");
        keeper.remember("team");

        assertThat(keeper.round()).isEqualTo(Duration.ofSeconds(30));
        assertThat(written).hasValue(1);
    }

    @Test
    void whatIsKnownIsToldThoughTheSecretCanNotBeReadAnyMore() {
        failing(client.getConfiguration());
        AtomicInteger written = writesTo("team");
        TlsKeeper keeper = keeper(NOW, Map.of());
        keeper.round();
        server.expect().get().withPath(SECRET).andReturn(403, null).always();
        keeper.remember("team");

        assertThat(keeper.round()).isEqualTo(Duration.ofSeconds(1));
        assertThat(written).hasValue(1);
    }

    @Test
    void rememberingANamespaceAsksNobody() {
        failing(client.getConfiguration());
        server.expect().get().withPath(SECRET).andReturn(403, null).always();

        assertThatCode(() -> keeper(NOW, Map.of()).remember("team")).doesNotThrowAnyException();
        assertThatThrownBy(() -> keeper(NOW, Map.of()).ensure("team"))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("the operator's certificate in Secret lora-system/lora-operator-tls can't be read");
    }

    /** Takes the namespace's ConfigMap, and counts how often. */
    private AtomicInteger writesTo(String namespace) {
        AtomicInteger written = new AtomicInteger();
        server.expect()
                .patch()
                .withPath(patchOf(namespace))
                .andReply(200, request -> {
                    written.incrementAndGet();
                    return new ConfigMapBuilder()
                            .withNewMetadata()
                            .endMetadata()
                            .build();
                })
                .always();
        return written;
    }

    private static String patchOf(String namespace) {
        return "/api/v1/namespaces/" + namespace + "/configmaps/lora-operator-ca?fieldManager=lora-operator&force=true";
    }

    private static void failing(Config config) {
        config.setRequestRetryBackoffLimit(0);
    }

    private Secret secret() {
        return requireNonNull(client.secrets()
                .inNamespace("lora-system")
                .withName("lora-operator-tls")
                .get());
    }

    private TlsKeeper keeper(Instant now, Map<String, String> more) {
        Map<String, String> environment = new TreeMap<>(more);
        environment.put("LORA_OPERATOR_URL", "https://lora-operator.lora-system.svc");
        environment.put("LORA_TLS_SECRET", "lora-operator-tls");
        environment.put("LORA_TLS_NAMESPACE", "lora-system");
        OperatorConfig config = TestConfig.of(environment);
        return new TlsKeeper(client, config, clock(now));
    }

    private static Clock clock(Instant now) {
        return Clock.fixed(now, ZoneOffset.UTC);
    }
}
