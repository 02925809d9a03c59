package training.lora.operator.progress;

import static java.net.http.HttpResponse.BodyHandlers.ofString;
import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fabric8.kubernetes.api.model.authentication.TokenReview;
import io.fabric8.kubernetes.api.model.authentication.TokenReviewBuilder;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.utils.Serialization;
import io.fabric8.mockwebserver.http.RecordedRequest;
import io.quarkus.test.common.http.TestHTTPResource;
import io.quarkus.test.junit.QuarkusTest;
import io.quarkus.test.kubernetes.client.KubernetesServer;
import io.quarkus.test.kubernetes.client.KubernetesTestServer;
import io.quarkus.test.kubernetes.client.WithKubernetesTestServer;
import jakarta.inject.Inject;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import training.lora.api.Json;
import training.lora.api.LoraTraining;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.Progress;
import training.lora.api.ProgressMessage;
import training.lora.api.ProgressMessageBuilder;
import training.lora.api.Stage;

/** The whole operator over HTTP, with a mock API server: a report's way from a pod to the status. */
@QuarkusTest
@WithKubernetesTestServer
@SuppressWarnings("NullAway.Init") // fields are set by Quarkus
final class ProgressEndpointTest {
    private static final String TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews";

    private static final HttpClient HTTP = HttpClient.newHttpClient();

    @KubernetesTestServer
    KubernetesServer server;

    @Inject
    KubernetesClient client;

    @TestHTTPResource
    URI url;

    /** A token here is `token for AUDIENCE`, and the API server knows no other. */
    @BeforeEach
    void reviewTokens() {
        server.getKubernetesMockServer().clearExpectations();
        server.expect()
                .post()
                .withPath(TOKEN_REVIEWS)
                .andReply(201, ProgressEndpointTest::review)
                .always();
    }

    private static TokenReview review(RecordedRequest request) {
        TokenReview review = Serialization.unmarshal(request.getUtf8Body(), TokenReview.class);
        String audience = review.getSpec().getAudiences().get(0);
        boolean good = review.getSpec().getToken().equals("token for " + audience);
        return new TokenReviewBuilder(review)
                .withNewStatus()
                .withAuthenticated(good)
                .withAudiences(good ? List.of(audience) : List.of())
                .endStatus()
                .build();
    }

    @Test
    void theTokenThatTheJobMountsLetsItsPodReport() throws Exception {
        LoraTraining run = started("mounted");
        Job job = client.batch()
                .v1()
                .jobs()
                .inNamespace("default")
                .withName("mounted-prepare-1")
                .require();
        String audience = job.getSpec().getTemplate().getSpec().getVolumes().stream()
                .filter(v -> v.getProjected() != null)
                .map(v -> v.getProjected()
                        .getSources()
                        .get(0)
                        .getServiceAccountToken()
                        .getAudience())
                .findFirst()
                .orElseThrow();

        HttpResponse<String> answer = post("mounted", "token for " + audience, message(run, Stage.Prepare, 1, 12));

        assertThat(answer.statusCode()).isEqualTo(200);
        assertThat(Json.MAPPER.readTree(answer.body()).get("nextReportSeconds").asInt())
                .isEqualTo(2);
        Progress written = written("mounted", 12);
        assertThat(written.stage()).isEqualTo(Stage.Prepare);
        assertThat(written.percent()).isEqualTo("12%");
    }

    @Test
    void withoutATokenOrWithAWrongOneNothingIsKept() throws Exception {
        LoraTraining run = started("guarded");
        LoraTraining other = started("other");
        String body = message(run, Stage.Prepare, 1, 50);

        assertUnauthorized(post("guarded", null, body));
        assertUnauthorized(post("guarded", "nonsense", body));
        assertUnauthorized(post("guarded", token(other, Stage.Prepare, 1), body));
        assertUnauthorized(post("guarded", token(run, Stage.Prepare, 2), body));
        assertUnauthorized(post("guarded", token(run, Stage.Train, 1), body));

        assertThat(post("guarded", token(run, Stage.Prepare, 1), message(run, Stage.Prepare, 1, 1))
                        .statusCode())
                .isEqualTo(200);
        assertThat(written("guarded", 1).percent()).isEqualTo("1%");
    }

    @Test
    void anOlderReportDoesNotOverwriteANewerOne() throws Exception {
        LoraTraining run = started("ordered");
        String first = token(run, Stage.Prepare, 1);
        String second = token(run, Stage.Prepare, 2);

        assertThat(post("ordered", first, message(run, Stage.Prepare, 1, 50)).statusCode())
                .isEqualTo(200);
        assertThat(post("ordered", first, message(run, Stage.Prepare, 1, 49)).statusCode())
                .isEqualTo(409);
        assertThat(post("ordered", second, message(run, Stage.Prepare, 2, 3)).statusCode())
                .isEqualTo(200);
        assertThat(post("ordered", first, message(run, Stage.Prepare, 1, 90)).statusCode())
                .isEqualTo(409);

        assertThat(written("ordered", 3).attempt()).isEqualTo(2);
    }

    @Test
    void aReportOfAnotherRunOfThatNameIsStale() throws Exception {
        LoraTraining run = started("renewed");
        String body = message(run, Stage.Prepare, 1, 5)
                .replace(requireNonNull(run.getStatus().runId()), "0123456789abcdef");

        assertThat(post("renewed", token(run, Stage.Prepare, 1), body).statusCode())
                .isEqualTo(409);
    }

    @Test
    void anUnknownTrainingIsNotFound() throws Exception {
        LoraTraining run = started("known");

        HttpResponse<String> answer = post("unknown", token(run, Stage.Prepare, 1), message(run, Stage.Prepare, 1, 5));

        assertThat(answer.statusCode()).isEqualTo(404);
        assertThat(answer.body()).contains("there is no LoraTraining default/unknown");
    }

    @Test
    void whatIsNoReportIsRefused() throws Exception {
        LoraTraining run = started("strict");
        String token = token(run, Stage.Prepare, 1);
        ObjectNode incomplete = (ObjectNode) Json.MAPPER.readTree(message(run, Stage.Prepare, 1, 5));
        incomplete.remove("step");

        assertThat(post("strict", token, "{").statusCode()).isEqualTo(400);
        assertThat(post("strict", token, "null").statusCode()).isEqualTo(400);
        assertThat(post("strict", token, incomplete.toString()).statusCode()).isEqualTo(400);
    }

    @Test
    void whenTheTokenCanNotBeReviewedTheReportIsNotKept() throws Exception {
        LoraTraining run = started("unreviewed");
        server.getKubernetesMockServer().clearExpectations();
        server.expect().post().withPath(TOKEN_REVIEWS).andReturn(403, "").once();

        HttpResponse<String> answer =
                post("unreviewed", token(run, Stage.Prepare, 1), message(run, Stage.Prepare, 1, 5));

        assertThat(answer.statusCode()).isEqualTo(503);
    }

    private static void assertUnauthorized(HttpResponse<String> answer) {
        assertThat(answer.statusCode()).isEqualTo(401);
        assertThat(answer.headers().firstValue("WWW-Authenticate")).contains("Bearer");
    }

    private HttpResponse<String> post(String name, @Nullable String token, String body) throws Exception {
        HttpRequest.Builder request = HttpRequest.newBuilder(url.resolve("/v1/progress/default/" + name))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(body));
        if (token != null) {
            request.header("Authorization", "Bearer " + token);
        }
        return HTTP.send(request.build(), ofString());
    }

    private static String token(LoraTraining run, Stage stage, int attempt) {
        return "token for lora-training/" + run.getMetadata().getUid() + "/" + stage + "/" + attempt;
    }

    private static String message(LoraTraining run, Stage stage, int attempt, int step) throws Exception {
        return Json.MAPPER.writeValueAsString(ProgressMessageBuilder.builder()
                .version(ProgressMessage.VERSION)
                .runId(requireNonNull(run.getStatus().runId()))
                .stage(stage)
                .attempt(attempt)
                .step(step)
                .steps(100)
                .time("2026-01-01T00:00:00Z")
                .metrics(List.of())
                .build());
    }

    /** A resource whose first Job the operator has made. */
    private LoraTraining started(String name) throws Exception {
        LoraTraining resource = new LoraTraining();
        resource.getMetadata().setNamespace("default");
        resource.getMetadata().setName(name);
        JsonNode spec =
                Json.MAPPER.readTree("{\"baseModel\":{\"uri\":\"bundled://m\"},\"datasets\":[{\"uri\":\"d\"}]}");
        resource.setSpec(Json.MAPPER.treeToValue(spec, LoraTrainingSpec.class));
        client.resource(resource).create();
        return client.resource(resource)
                .waitUntilCondition(
                        r -> r != null
                                && r.getStatus() != null
                                && !r.getStatus().stages().isEmpty(),
                        10,
                        TimeUnit.SECONDS);
    }

    private Progress written(String name, int step) {
        LoraTraining resource = client.resources(LoraTraining.class)
                .inNamespace("default")
                .withName(name)
                .waitUntilCondition(
                        r -> r != null
                                && r.getStatus().progress() != null
                                && Integer.valueOf(step)
                                        .equals(r.getStatus().progress().step()),
                        10,
                        TimeUnit.SECONDS);
        return requireNonNull(resource.getStatus().progress());
    }
}
