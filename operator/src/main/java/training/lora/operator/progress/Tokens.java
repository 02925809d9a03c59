package training.lora.operator.progress;

import io.fabric8.kubernetes.api.model.authentication.TokenReview;
import io.fabric8.kubernetes.api.model.authentication.TokenReviewBuilder;
import io.fabric8.kubernetes.api.model.authentication.TokenReviewStatus;
import io.fabric8.kubernetes.api.model.authentication.UserInfo;
import io.fabric8.kubernetes.client.KubernetesClient;
import jakarta.inject.Inject;
import jakarta.inject.Singleton;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import training.lora.api.TextDigest;

/**
 * Asks the API server for which pod a token speaks, and remembers a good one for a minute. A bad one is remembered for a
 * moment, so that whoever sends it again and again costs the API server little.
 */
@Singleton
class Tokens {
    private static final Duration GOOD = Duration.ofMinutes(1);
    private static final Duration BAD = Duration.ofSeconds(10);
    private static final int MOST_REMEMBERED = 10_000;

    private static final String ACCOUNT = "system:serviceaccount:";
    private static final String POD_NAME = "authentication.kubernetes.io/pod-name";
    private static final String POD_UID = "authentication.kubernetes.io/pod-uid";

    /** The pod that a token was made for. */
    record Bearer(String namespace, String pod, String podUid) {}

    private record Answer(@Nullable Bearer bearer, Instant until) {}

    private final KubernetesClient client;
    private final Clock clock;
    /** By sha256 of token and audience: no token is kept. */
    private final Map<String, Answer> answers = new ConcurrentHashMap<>();

    @Inject
    Tokens(KubernetesClient client) {
        this(client, Clock.systemUTC());
    }

    Tokens(KubernetesClient client, Clock clock) {
        this.client = client;
        this.clock = clock;
    }

    /** The pod for which {@code token} speaks to {@code audience}; empty if it is not valid there or of no pod. */
    Optional<Bearer> bearer(String token, String audience) {
        String key = TextDigest.sha256(token + "\n" + audience);
        Instant now = clock.instant();
        Answer known = answers.get(key);
        if (known != null && now.isBefore(known.until)) {
            return Optional.ofNullable(known.bearer);
        }
        Bearer bearer = review(token, audience);
        remember(key, new Answer(bearer, now.plus(bearer == null ? BAD : GOOD)), now);
        return Optional.ofNullable(bearer);
    }

    private void remember(String key, Answer answer, Instant now) {
        if (answers.size() >= MOST_REMEMBERED) {
            answers.values().removeIf(a -> !now.isBefore(a.until));
        }
        if (answers.size() < MOST_REMEMBERED) {
            answers.put(key, answer);
        }
    }

    private @Nullable Bearer review(String token, String audience) {
        TokenReview review = client.resource(new TokenReviewBuilder()
                        .withNewSpec()
                        .withToken(token)
                        .withAudiences(audience)
                        .endSpec()
                        .build())
                .create();
        TokenReviewStatus status = review.getStatus();
        boolean valid = status != null
                && Boolean.TRUE.equals(status.getAuthenticated())
                && status.getAudiences().contains(audience)
                && status.getUser() != null;
        return valid ? bearer(status.getUser()) : null;
    }

    private static @Nullable Bearer bearer(UserInfo user) {
        String name = Objects.requireNonNullElse(user.getUsername(), "");
        String pod = first(user, POD_NAME);
        String uid = first(user, POD_UID);
        if (!name.startsWith(ACCOUNT) || pod == null || uid == null) {
            return null;
        }
        return new Bearer(name.substring(ACCOUNT.length()).replaceFirst(":.*", ""), pod, uid);
    }

    private static @Nullable String first(UserInfo user, String key) {
        List<String> values = user.getExtra() == null ? null : user.getExtra().get(key);
        return values == null || values.isEmpty() ? null : values.get(0);
    }
}
