package training.lora.operator.plan;

import java.time.Duration;

/**
 * How long to wait after something failed.
 *
 * @param first after the first failure; doubled with each that follows
 * @param longest however many there were
 */
public record Backoff(Duration first, Duration longest) {
    private static final int MOST_DOUBLINGS = 20;

    /** For a request that nobody is kept waiting by. */
    public static final Backoff REQUESTS = new Backoff(Duration.ofSeconds(1), Duration.ofMinutes(1));

    /** After {@code failures} in a row; {@link #first} also where there were none. */
    public Duration after(int failures) {
        Duration delay = first.multipliedBy(1L << Math.max(0, Math.min(failures - 1, MOST_DOUBLINGS)));
        return delay.compareTo(longest) > 0 ? longest : delay;
    }
}
