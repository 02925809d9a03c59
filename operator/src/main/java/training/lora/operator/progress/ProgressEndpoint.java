package training.lora.operator.progress;

import com.fasterxml.jackson.core.JsonProcessingException;
import io.fabric8.kubernetes.api.model.OwnerReference;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.javaoperatorsdk.operator.processing.event.ResourceID;
import io.smallrye.common.annotation.Blocking;
import jakarta.ws.rs.Consumes;
import jakarta.ws.rs.HeaderParam;
import jakarta.ws.rs.POST;
import jakarta.ws.rs.Path;
import jakarta.ws.rs.PathParam;
import jakarta.ws.rs.Produces;
import jakarta.ws.rs.core.MediaType;
import jakarta.ws.rs.core.Response;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import org.jboss.resteasy.reactive.server.ServerExceptionMapper;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;
import training.lora.api.LoraTraining;
import training.lora.api.ProgressMessage;
import training.lora.api.SavedState;
import training.lora.operator.plan.Names;

/**
 * Where trainers report. 200: kept; 400: not a report; 401: no token, or not the one of that attempt's pod; 404: no such
 * resource; 409: something newer is known; 503: the API server can't be asked about the token, or has not told of the pod.
 */
@Path("/v1/progress/{namespace}/{name}")
public final class ProgressEndpoint {
    private static final String BEARER = "Bearer ";
    private static final String NOT_ITS_POD = "the token must be the one of this attempt's pod";

    private final ProgressBoard board;
    private final ProgressWriter writer;
    private final Tokens tokens;

    ProgressEndpoint(ProgressBoard board, ProgressWriter writer, Tokens tokens) {
        this.board = board;
        this.writer = writer;
        this.tokens = tokens;
    }

    /** Takes a report. */
    @POST
    @Blocking
    @Consumes(MediaType.APPLICATION_JSON)
    @Produces(MediaType.APPLICATION_JSON)
    public Response report(
            @PathParam("namespace") String namespace,
            @PathParam("name") String name,
            @HeaderParam("Authorization") @Nullable String authorization,
            String body) {
        if (authorization == null || !authorization.startsWith(BEARER)) {
            return unauthorized("the header `Authorization` must be `Bearer TOKEN`");
        }
        ProgressMessage message = parse(body);
        if (message == null) {
            return refused(400, "the body must be a report of version " + ProgressMessage.VERSION);
        }
        Optional<LoraTraining> resource = board.resource(new ResourceID(name, namespace));
        if (resource.isEmpty()) {
            return refused(404, "there is no LoraTraining " + namespace + "/" + name);
        }
        String uid = resource.get().getMetadata().getUid();
        String audience = Names.audience(uid, message.stage(), message.attempt());
        Tokens.Bearer bearer = tokens.bearer(authorization.substring(BEARER.length()), audience)
                .filter(b -> b.namespace().equals(namespace))
                .orElse(null);
        if (bearer == null) {
            return unauthorized(NOT_ITS_POD);
        }
        Pod pod = board.pod(new ResourceID(bearer.pod(), namespace))
                .filter(p -> bearer.podUid().equals(p.getMetadata().getUid()))
                .orElse(null);
        if (pod == null) {
            return refused(503, "the pod " + bearer.pod() + " is not known here yet");
        }
        if (!Names.job(name, message.stage(), message.attempt()).equals(jobOf(pod))) {
            return unauthorized(NOT_ITS_POD);
        }
        ProgressBoard.Sender sender = new ProgressBoard.Sender(
                bearer.podUid(), ProgressBoard.time(pod.getMetadata().getCreationTimestamp()));
        if (!board.offer(resource.get(), sender, message)) {
            return refused(409, "something newer is known");
        }
        return Response.ok(Map.of("nextReportSeconds", writer.nextReportSeconds(resource.get(), message)))
                .build();
    }

    /** The name of the Job that made {@code pod}. */
    private static @Nullable String jobOf(Pod pod) {
        return pod.getMetadata().getOwnerReferences().stream()
                .filter(o -> Boolean.TRUE.equals(o.getController()) && "Job".equals(o.getKind()))
                .map(OwnerReference::getName)
                .findFirst()
                .orElse(null);
    }

    /** The trainer goes on without, and reports again. */
    @ServerExceptionMapper
    Response unavailable(KubernetesClientException e) {
        return refused(503, "the API server did not review the token: " + e.getMessage());
    }

    private static @Nullable ProgressMessage parse(String body) {
        try {
            ProgressMessage message = Json.MAPPER.readValue(body, ProgressMessage.class);
            boolean whole = message != null
                    && ProgressMessage.VERSION.equals(message.version())
                    && message.runId() != null
                    && message.stage() != null
                    && isAtLeast(1, message.attempt())
                    && isAtLeast(0, message.step())
                    && isAtLeast(0, message.steps())
                    && isTime(message.time())
                    && (message.estimatedRemainingSeconds() == null
                            || isAtLeast(0, message.estimatedRemainingSeconds()))
                    && message.metrics().stream().allMatch(m -> m.name() != null && m.value() != null)
                    && isWhole(message.saved());
            return whole ? message : null;
        } catch (JsonProcessingException e) {
            return null;
        }
    }

    private static boolean isAtLeast(int least, @Nullable Integer number) {
        return number != null && number >= least;
    }

    private static boolean isTime(@Nullable String text) {
        return text != null && !ProgressBoard.time(text).equals(Instant.EPOCH);
    }

    private static boolean isWhole(@Nullable SavedState saved) {
        return saved == null || (isAtLeast(0, saved.step()) && isTime(saved.time()));
    }

    private static Response unauthorized(String message) {
        return Response.fromResponse(refused(401, message))
                .header("WWW-Authenticate", "Bearer")
                .build();
    }

    private static Response refused(int status, String message) {
        return Response.status(status).entity(Map.of("message", message)).build();
    }
}
