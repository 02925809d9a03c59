package training.lora.operator.progress;

import io.fabric8.kubernetes.api.model.authentication.TokenReview;
import io.fabric8.kubernetes.api.model.authentication.TokenReviewBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import jakarta.inject.Singleton;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.HexFormat;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** Asks the API server whether a token is good for an audience, and remembers a yes for a minute. */
@Singleton
class Tokens {
    private static final Duration REMEMBERED = Duration.ofMinutes(1);
    private static final int MOST_REMEMBERED = 10_000;

    private final KubernetesClient client;
    private final Clock clock = Clock.systemUTC();
    /** By sha256 of token and audience: no token is kept. */
    private final Map<String, Instant> goodUntil = new ConcurrentHashMap<>();

    Tokens(KubernetesClient client) {
        this.client = client;
    }

    boolean good(String token, String audience) {
        String key = hash(token + "\n" + audience);
        Instant now = clock.instant();
        Instant until = goodUntil.get(key);
        if (until != null && now.isBefore(until)) {
            return true;
        }
        TokenReview review = client.resource(new TokenReviewBuilder()
                        .withNewSpec()
                        .withToken(token)
                        .withAudiences(audience)
                        .endSpec()
                        .build())
                .create();
        boolean good = review.getStatus() != null
                && Boolean.TRUE.equals(review.getStatus().getAuthenticated())
                && review.getStatus().getAudiences().contains(audience);
        if (good) {
            goodUntil.values().removeIf(time -> time.isBefore(now));
            if (goodUntil.size() < MOST_REMEMBERED) {
                goodUntil.put(key, now.plus(REMEMBERED));
            }
        }
        return good;
    }

    private static String hash(String text) {
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(digest);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
