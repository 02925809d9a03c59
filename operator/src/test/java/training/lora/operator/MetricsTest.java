package training.lora.operator;

import static java.net.http.HttpResponse.BodyHandlers.ofString;
import static org.assertj.core.api.Assertions.assertThat;

import io.quarkus.test.common.http.TestHTTPResource;
import io.quarkus.test.junit.QuarkusTest;
import io.quarkus.test.kubernetes.client.WithKubernetesTestServer;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import org.junit.jupiter.api.Test;

@QuarkusTest
@WithKubernetesTestServer
@SuppressWarnings("NullAway.Init") // fields are set by Quarkus
final class MetricsTest {
    @TestHTTPResource("/metrics")
    URI url;

    @Test
    void metricsAreInPrometheusForm() throws Exception {
        HttpResponse<String> response =
                HttpClient.newHttpClient().send(HttpRequest.newBuilder(url).build(), ofString());

        assertThat(response.statusCode()).isEqualTo(200);
        assertThat(response.headers().firstValue("Content-Type").orElse(""))
                .startsWith("text/plain")
                .contains("version=0.0.4");
        assertThat(response.body())
                .contains("# TYPE lora_operator_leader gauge\nlora_operator_leader 1\n")
                .contains("\nlora_operator_reporting_trainings ")
                .containsPattern("\njvm_memory_used_bytes [1-9][0-9]+\n");
        assertThat(response.body().lines()).allMatch(l -> l.matches("# (HELP|TYPE) .*|[a-z_]+ [0-9]+"));
    }
}
