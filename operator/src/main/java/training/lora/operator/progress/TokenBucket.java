package training.lora.operator.progress;

import java.time.Duration;
import java.time.Instant;

/** A rate limit: {@code perSecond} tokens come in, up to one second's worth is kept. Not thread-safe. */
final class TokenBucket {
    private final double perSecond;
    private double tokens;
    private Instant filled;

    TokenBucket(double perSecond, Instant now) {
        this.perSecond = perSecond;
        this.tokens = Math.max(1, perSecond);
        this.filled = now;
    }

    /** Takes a token if there is one. */
    boolean take(Instant now) {
        fill(now);
        if (tokens < 1) {
            return false;
        }
        tokens--;
        return true;
    }

    /** Takes a token that others will wait for if there is none; no more than one second's worth in advance. */
    boolean takeInAdvance(Instant now) {
        fill(now);
        if (tokens - 1 < -Math.max(1, perSecond)) {
            return false;
        }
        tokens--;
        return true;
    }

    private void fill(Instant now) {
        double seconds = Math.max(0, Duration.between(filled, now).toNanos() / 1e9);
        tokens = Math.min(Math.max(1, perSecond), tokens + seconds * perSecond);
        filled = now;
    }
}
