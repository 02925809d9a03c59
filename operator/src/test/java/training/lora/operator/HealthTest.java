package training.lora.operator;

import static java.net.http.HttpResponse.BodyHandlers.ofString;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.javaoperatorsdk.operator.api.config.ConfigurationService;
import io.quarkus.test.common.http.TestHTTPResource;
import io.quarkus.test.junit.QuarkusTest;
import io.quarkus.test.kubernetes.client.WithKubernetesTestServer;
import jakarta.inject.Inject;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import org.junit.jupiter.api.Test;
import training.lora.api.Json;

@QuarkusTest
@WithKubernetesTestServer
@SuppressWarnings("NullAway.Init") // fields are set by Quarkus
final class HealthTest {
    @TestHTTPResource("/q/health/")
    URI url;

    @Inject
    ConfigurationService configuration;

    @Test
    void aNamespaceThatCanNotBeReadNeitherStopsNorDelaysTheStart() {
        assertThat(configuration.stopOnInformerErrorDuringStartup()).isFalse();
        assertThat(configuration.cacheSyncTimeout()).hasSeconds(5);
    }

    @Test
    void onlyTheOperatorsOwnChecksSayWhetherItHearsOfTrainings() throws Exception {
        assertThat(checks("live")).containsExactly("event sources UP");
        assertThat(checks("ready")).containsExactlyInAnyOrder("event sources UP", "certificate UP");
    }

    private Iterable<String> checks(String kind) throws Exception {
        HttpResponse<String> response = HttpClient.newHttpClient()
                .send(HttpRequest.newBuilder(url.resolve(kind)).build(), ofString());
        JsonNode checks = Json.MAPPER.readTree(response.body()).get("checks");
        return checks.findParents("name").stream()
                .map(c -> c.get("name").asText() + " " + c.get("status").asText())
                .toList();
    }
}
