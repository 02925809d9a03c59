package training.lora.operator.progress;

import static java.net.http.HttpResponse.BodyHandlers.ofString;
import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.authentication.TokenReview;
import io.fabric8.kubernetes.api.model.authentication.TokenReviewBuilder;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.utils.Serialization;
import io.fabric8.mockwebserver.http.RecordedRequest;
import io.javaoperatorsdk.operator.processing.event.ResourceID;
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
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.Json;
import training.lora.api.LoraTraining;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.Progress;
import training.lora.api.ProgressMessage;
import training.lora.api.ProgressMessageBuilder;
import training.lora.api.Stage;
import training.lora.operator.plan.Names;

/** The whole operator over HTTP, with a mock API server: a report's way from a pod to the status. */
@QuarkusTest
@WithKubernetesTestServer
@SuppressWarnings("NullAway.Init") // fields are set by Quarkus
final class ProgressEndpointTest {
    private static final String TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews";

    /** The pods' uids by their names. */
    private static final Map<String, String> UIDS = new ConcurrentHashMap<>();

    private static final HttpClient HTTP = HttpClient.newHttpClient();

    @KubernetesTestServer
    KubernetesServer server;

    @Inject
    KubernetesClient client;

    @Inject
    ProgressBoard board;

    @TestHTTPResource
    URI url;

    /** A token here is `POD of NAMESPACE for AUDIENCE`, and the API server knows no other. */
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
        String[] words = review.getSpec().getToken().split(" ", -1);
        if (words.length != 5 || !words[4].equals(audience)) {
            return new TokenReviewBuilder(review)
                    .withNewStatus()
                    .withAuthenticated(false)
                    .endStatus()
                    .build();
        }
        return new TokenReviewBuilder(review)
                .withNewStatus()
                .withAuthenticated(true)
                .withAudiences(audience)
                .withNewUser()
                .withUsername("system:serviceaccount:" + words[2] + ":default")
                .addToExtra("authentication.kubernetes.io/pod-name", List.of(words[0]))
                .addToExtra("authentication.kubernetes.io/pod-uid", List.of(UIDS.getOrDefault(words[0], "unknown")))
                .endUser()
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

        HttpResponse<String> answer =
                post("mounted", "mounted-prepare-1-pod of default for " + audience, message(run, Stage.Prepare, 1, 12));

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
    void aTokenOfAnotherNamespacesPodOrOfAnotherJobsPodIsNotTaken() throws Exception {
        LoraTraining run = started("own");
        pod("other-pod", "something-else", "2026-01-01T00:00:00Z");
        String audience = "lora-training/" + run.getMetadata().getUid() + "/Prepare/1";
        String body = message(run, Stage.Prepare, 1, 50);

        assertUnauthorized(post("own", "own-prepare-1-pod of elsewhere for " + audience, body));
        assertUnauthorized(post("own", "other-pod of default for " + audience, body));
        assertThat(post("own", "unheard-of of default for " + audience, body).statusCode())
                .isEqualTo(503);
        assertThat(post("own", "own-prepare-1-pod of default for " + audience, body)
                        .statusCode())
                .isEqualTo(200);
    }

    @Test
    void aBadTokenIsNotReviewedAgainAtOnce() throws Exception {
        LoraTraining run = started("repeated");
        String body = message(run, Stage.Prepare, 1, 50);
        assertUnauthorized(post("repeated", "worthless", body));

        server.getKubernetesMockServer().clearExpectations();
        server.expect().post().withPath(TOKEN_REVIEWS).andReturn(403, "").always();

        assertUnauthorized(post("repeated", "worthless", body));
        assertThat(post("repeated", "another", body).statusCode()).isEqualTo(503);
    }

    @Test
    void anOlderReportDoesNotOverwriteANewerOne() throws Exception {
        LoraTraining run = started("ordered");
        pod("ordered-prepare-2-pod", "ordered-prepare-2", "2026-01-01T00:01:00Z");
        String first = token(run, Stage.Prepare, 1);
        String second = token(run, Stage.Prepare, 2);

        assertThat(post("ordered", first, message(run, Stage.Prepare, 1, 50)).statusCode())
                .isEqualTo(200);
        assertThat(post("ordered", first, message(run, Stage.Prepare, 1, 60).replace("2026-01-01", "2025-12-31"))
                        .statusCode())
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

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{'metrics':[{'value':'0.1'}]}",
                "{'metrics':[{'name':'loss'}]}",
                "{'metrics':[null]}",
                "{'saved':{}}",
                "{'saved':{'step':4,'time':'yesterday'}}",
                "{'attempt':0}",
                "{'step':-1}",
                "{'steps':-1}",
                "{'time':'yesterday'}",
                "{'estimatedRemainingSeconds':-1}",
            })
    void aValueThatIsMissingOrOutOfBoundsIsRefused(String change) throws Exception {
        LoraTraining run = started("bounds-" + Integer.toHexString(change.hashCode()));
        ObjectNode message = (ObjectNode) Json.MAPPER.readTree(message(run, Stage.Prepare, 1, 5));
        message.setAll((ObjectNode) Json.MAPPER.readTree(change.replace('\'', '"')));

        assertThat(post(run.getMetadata().getName(), token(run, Stage.Prepare, 1), message.toString())
                        .statusCode())
                .isEqualTo(400);
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
        return "%s-%s-%d-pod of default for lora-training/%s/%s/%d"
                .formatted(
                        run.getMetadata().getName(),
                        stage.name().toLowerCase(Locale.ROOT),
                        attempt,
                        run.getMetadata().getUid(),
                        stage,
                        attempt);
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
        LoraTraining started = client.resource(resource)
                .waitUntilCondition(
                        r -> r != null
                                && r.getStatus() != null
                                && !r.getStatus().stages().isEmpty(),
                        10,
                        TimeUnit.SECONDS);
        // Not before: a run waits for pods of its name that it did not make.
        pod(name + "-prepare-1-pod", name + "-prepare-1", "2026-01-01T00:00:00Z");
        return started;
    }

    /** A pod of {@code job} that the operator has heard of. */
    private void pod(String name, String job, String created) {
        Pod pod = client.resource(new PodBuilder()
                        .withNewMetadata()
                        .withNamespace("default")
                        .withName(name)
                        .withCreationTimestamp(created)
                        .addToLabels(Names.MANAGED_BY, Names.OPERATOR)
                        .addToLabels(Names.NAME, job.replaceFirst("-prepare.*", ""))
                        .addNewOwnerReference()
                        .withController(true)
                        .withKind("Job")
                        .withName(job)
                        .endOwnerReference()
                        .endMetadata()
                        .build())
                .create();
        UIDS.put(name, pod.getMetadata().getUid());
        ResourceID id = new ResourceID(name, "default");
        await(() -> board.pod(id).isPresent());
    }

    private static void await(BooleanSupplier condition) {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
        while (!condition.getAsBoolean()) {
            assertThat(System.nanoTime()).isLessThan(end);
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(10));
        }
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
