package training.lora.operator.plan;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * What the operator was configured with and the plan depends on.
 *
 * @param image the trainer's image where a resource names none
 * @param operatorUrl base URL at which pods reach the operator; null: they push no progress
 * @param retryDelay delay after a stage's first failure; doubled for each one after
 * @param maxRetryDelay the longest delay
 * @param pods what holds for every stage's pod
 */
public record Settings(
        String image, @Nullable String operatorUrl, Duration retryDelay, Duration maxRetryDelay, PodSettings pods) {
    /** With pods as the resource alone says. */
    public Settings(String image, @Nullable String operatorUrl, Duration retryDelay, Duration maxRetryDelay) {
        this(image, operatorUrl, retryDelay, maxRetryDelay, PodSettings.NONE);
    }

    /** The delay before the attempt that follows {@code failures} of them; the shortest one after a preemption. */
    Duration delayAfter(int failures) {
        return new Backoff(retryDelay, maxRetryDelay).after(failures);
    }
}
