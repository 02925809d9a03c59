package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.soabase.recordbuilder.core.RecordBuilder;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/** Who may speak to the server: the administrator's token, and tokens of service accounts; opaque, kept in memory. */
final class Tokens {
    static final String API_AUDIENCE = "https://kubernetes.default.svc";
    private static final Duration DEFAULT_LIFE = Duration.ofHours(1);
    private static final Duration SHORTEST_LIFE = Duration.ofMinutes(10);
    private static final SecureRandom RANDOM = new SecureRandom();

    /** What a token stands for; {@code pod} binds it to a pod's life. */
    @RecordBuilder
    record Grant(
            String namespace,
            String account,
            String accountUid,
            List<String> audiences,
            Instant expires,
            Store.@Nullable Key pod,
            String podUid) {
        String user() {
            return "system:serviceaccount:" + namespace + ":" + account;
        }
    }

    private final Store store;
    private final String administrator = random();
    private final Map<String, Grant> grants = new ConcurrentHashMap<>();

    Tokens(Store store) {
        this.store = store;
    }

    private static String random() {
        byte[] bytes = new byte[32];
        RANDOM.nextBytes(bytes);
        return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
    }

    String administrator() {
        return administrator;
    }

    /** The user of an Authorization header. @throws ApiException 401 if it is not one of ours, or not meant for us */
    String authenticate(String header) {
        String token = header.startsWith("Bearer ")
                ? header.substring("Bearer ".length()).trim()
                : "";
        if (java.security.MessageDigest.isEqual(
                token.getBytes(java.nio.charset.StandardCharsets.UTF_8),
                administrator.getBytes(java.nio.charset.StandardCharsets.UTF_8))) {
            return "kubernetes-admin";
        }
        return valid(token)
                .filter(g -> g.audiences.contains(API_AUDIENCE))
                .map(Grant::user)
                .orElseThrow(ApiException::unauthorized);
    }

    private Optional<Grant> valid(String token) {
        grants.values().removeIf(g -> g.expires.isBefore(Instant.now()));
        return Optional.ofNullable(grants.get(token))
                .filter(g -> isThere(new Store.Key("serviceaccounts", g.namespace, g.account), g.accountUid))
                .filter(g -> g.pod == null || isThere(g.pod, g.podUid));
    }

    private boolean isThere(Store.Key key, String uid) {
        ObjectNode object = store.get(key);
        return object != null && object.path("metadata").path("uid").asText().equals(uid);
    }

    /** Answers a TokenRequest for a service account. */
    ObjectNode request(ObjectNode account, ObjectNode request) {
        JsonNode spec = request.path("spec");
        String namespace = account.path("metadata").path("namespace").asText();
        Store.Key pod = null;
        String podUid = "";
        JsonNode bound = spec.path("boundObjectRef");
        if (bound.isObject()) {
            if (!bound.path("kind").asText().equals("Pod")) {
                throw ApiException.badRequest("`spec.boundObjectRef.kind` must be Pod, was "
                        + bound.path("kind").asText());
            }
            pod = new Store.Key("pods", namespace, bound.path("name").asText());
            ObjectNode there = store.get(pod);
            podUid = there == null ? "" : there.path("metadata").path("uid").asText();
            String wanted = bound.path("uid").asText(podUid);
            if (there == null || !wanted.equals(podUid)) {
                throw ApiException.notFound("pods \"" + pod.name() + "\" not found");
            }
        }
        List<String> audiences = new ArrayList<>();
        spec.path("audiences").forEach(a -> audiences.add(a.asText()));
        if (audiences.isEmpty()) {
            audiences.add(API_AUDIENCE);
        }
        long seconds = spec.path("expirationSeconds").asLong(DEFAULT_LIFE.toSeconds());
        Instant expires = Instant.now()
                .plusSeconds(Math.max(seconds, SHORTEST_LIFE.toSeconds()))
                .truncatedTo(ChronoUnit.SECONDS);
        String token = random();
        JsonNode metadata = account.path("metadata");
        grants.put(
                token,
                TokensGrantBuilder.builder()
                        .namespace(namespace)
                        .account(metadata.path("name").asText())
                        .accountUid(metadata.path("uid").asText())
                        .audiences(List.copyOf(audiences))
                        .expires(expires)
                        .podUid(podUid)
                        .pod(pod)
                        .build());
        request.putObject("status").put("token", token).put("expirationTimestamp", expires.toString());
        return request;
    }

    /** Answers a TokenReview: whether the token is valid for one of the audiences that are asked for. */
    ObjectNode review(ObjectNode review) {
        JsonNode spec = review.path("spec");
        List<String> wanted = new ArrayList<>();
        spec.path("audiences").forEach(a -> wanted.add(a.asText()));
        if (wanted.isEmpty()) {
            wanted.add(API_AUDIENCE);
        }
        ObjectNode status = review.putObject("status");
        Grant grant = valid(spec.path("token").asText()).orElse(null);
        if (grant == null) {
            status.put("authenticated", false).put("error", "invalid bearer token");
            return review;
        }
        wanted.retainAll(grant.audiences);
        if (wanted.isEmpty()) {
            status.put("authenticated", false)
                    .put(
                            "error",
                            "invalid bearer token, token audiences " + grant.audiences
                                    + " is invalid for the target audiences");
            return review;
        }
        status.put("authenticated", true);
        ObjectNode user = status.putObject("user").put("username", grant.user()).put("uid", grant.accountUid);
        user.putArray("groups")
                .add("system:serviceaccounts")
                .add("system:serviceaccounts:" + grant.namespace)
                .add("system:authenticated");
        if (grant.pod != null) {
            ObjectNode extra = user.putObject("extra");
            extra.putArray("authentication.kubernetes.io/pod-name").add(grant.pod.name());
            extra.putArray("authentication.kubernetes.io/pod-uid").add(grant.podUid);
        }
        wanted.forEach(status.putArray("audiences")::add);
        return review;
    }
}
