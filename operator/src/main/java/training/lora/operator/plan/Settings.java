package training.lora.operator.plan;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * What the operator was configured with and the plan depends on.
 *
 * @param image the trainer's image where a resource names none
 * @param operatorUrl base URL at which pods reach the operator; null: they push no progress
 * @param retryDelay delay before the second attempt of a stage; doubled for each one after
 * @param maxRetryDelay the longest delay
 */
public record Settings(String image, @Nullable String operatorUrl, Duration retryDelay, Duration maxRetryDelay) {
    /** The delay after the failure of {@code attempt}, from 1. */
    Duration delayAfter(int attempt) {
        Duration delay = retryDelay;
        for (int i = 1; i < attempt && delay.compareTo(maxRetryDelay) < 0; i++) {
            delay = delay.multipliedBy(2);
        }
        return delay.compareTo(maxRetryDelay) < 0 ? delay : maxRetryDelay;
    }
}
