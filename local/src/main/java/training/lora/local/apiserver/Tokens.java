package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Who may speak to the server: the administrator's token alone. Tokens of service accounts are for others, who ask by a
 * TokenReview; they are opaque, kept in memory, and good for one audience, as long as the pod is there that they are for.
 */
final class Tokens {
    private static final SecureRandom RANDOM = new SecureRandom();
    /** Longer than the server lives. */
    private static final Duration LIFE = Duration.ofDays(365);

    /** What a token stands for. */
    private record Grant(ObjectNode account, Store.Key pod, String podUid, String audience) {}

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

    /** @throws ApiException 401 if an Authorization header is not the administrator's */
    void authenticate(String header) {
        byte[] expected = ("Bearer " + administrator).getBytes(StandardCharsets.UTF_8);
        if (!MessageDigest.isEqual(header.getBytes(StandardCharsets.UTF_8), expected)) {
            throw ApiException.unauthorized();
        }
    }

    /** Answers a TokenRequest for a service account. */
    ObjectNode request(ObjectNode account, ObjectNode request) {
        JsonNode spec = request.path("spec");
        JsonNode bound = spec.path("boundObjectRef");
        List<String> audiences = Meta.texts(spec.path("audiences"));
        if (!bound.path("kind").asText().equals("Pod") || audiences.size() != 1) {
            throw ApiException.badRequest(
                    "this embedded API server gives tokens for a pod and one audience only, was " + spec);
        }
        var pod = new Store.Key(
                "pods", Meta.namespace(account), bound.path("name").asText());
        Grant grant = new Grant(account, pod, bound.path("uid").asText(), audiences.get(0));
        if (!isGood(grant)) {
            throw ApiException.invalid("pods \"" + pod.name() + "\" not found");
        }
        String token = random();
        grants.put(token, grant);
        request.putObject("status")
                .put("token", token)
                .put("expirationTimestamp", Instant.now().plus(LIFE).toString());
        return request;
    }

    private boolean isGood(Grant grant) {
        ObjectNode pod = store.get(grant.pod);
        return pod != null && Meta.uid(pod).equals(grant.podUid);
    }

    /** Answers a TokenReview: whether the token is valid for one of the audiences that are asked for. */
    ObjectNode review(ObjectNode review) {
        JsonNode spec = review.path("spec");
        ObjectNode status = review.putObject("status");
        Grant grant = grants.get(spec.path("token").asText());
        if (grant == null
                || !isGood(grant)
                || !Meta.texts(spec.path("audiences")).contains(grant.audience)) {
            status.put("authenticated", false).put("error", "the token is not good for " + spec.path("audiences"));
            return review;
        }
        String namespace = Meta.namespace(grant.account);
        status.put("authenticated", true).putArray("audiences").add(grant.audience);
        ObjectNode user = status.putObject("user")
                .put("username", "system:serviceaccount:" + namespace + ":" + Meta.name(grant.account))
                .put("uid", Meta.uid(grant.account));
        user.putArray("groups").add("system:serviceaccounts").add("system:serviceaccounts:" + namespace);
        ObjectNode extra = user.putObject("extra");
        extra.putArray("authentication.kubernetes.io/pod-name").add(grant.pod.name());
        extra.putArray("authentication.kubernetes.io/pod-uid").add(grant.podUid);
        return review;
    }
}
