package training.lora.e2e.cluster;

import java.time.Instant;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * Where the environment's {@code LORA_CLUSTER_UNTIL} has a time, in seconds since 1970, tests that would begin later are left
 * out, and it is said.
 */
final class TimeLeft implements ExecutionCondition {
    private static final String UNTIL = "LORA_CLUSTER_UNTIL";

    @Override
    public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
        String until = System.getenv(UNTIL);
        if (until == null || until.isEmpty() || Instant.now().isBefore(Instant.ofEpochSecond(Long.parseLong(until)))) {
            return ConditionEvaluationResult.enabled("there is time");
        }
        String test = context.getTestMethod()
                .map(method -> context.getRequiredTestClass().getSimpleName() + "." + method.getName())
                .orElseGet(() -> context.getRequiredTestClass().getSimpleName());
        Scripts.skipped(test + ": no time was left");
        return ConditionEvaluationResult.disabled("no time was left");
    }
}
