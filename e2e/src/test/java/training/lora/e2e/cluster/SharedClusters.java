package training.lora.e2e.cluster;

import java.time.Instant;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;

/**
 * Starts a cluster when a test first asks for it; it ends with the test run, or with this JVM. Where the environment's
 * {@code LORA_CLUSTER_UNTIL} has a time, in seconds since 1970, tests that would begin later are left out, and it is said.
 */
final class SharedClusters implements ParameterResolver, ExecutionCondition {
    private static final String UNTIL = "LORA_CLUSTER_UNTIL";

    @Override
    public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
        String until = System.getenv(UNTIL);
        if (until == null || Instant.now().isBefore(Instant.ofEpochSecond(Long.parseLong(until)))) {
            return ConditionEvaluationResult.enabled("there is time");
        }
        String test = context.getTestMethod()
                .map(method -> context.getRequiredTestClass().getSimpleName() + "." + method.getName())
                .orElseGet(() -> context.getRequiredTestClass().getSimpleName());
        Scripts.skipped(test + ": no time was left");
        return ConditionEvaluationResult.disabled("no time was left");
    }

    @Override
    public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
        Class<?> type = parameter.getParameter().getType();
        return type == RealCluster.class || type == NodesCluster.class;
    }

    @Override
    public Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
        var store = context.getRoot().getStore(ExtensionContext.Namespace.create(SharedClusters.class));
        return parameter.getParameter().getType() == RealCluster.class
                ? store.getOrComputeIfAbsent(RealCluster.class, c -> RealCluster.start(), RealCluster.class)
                : store.getOrComputeIfAbsent(NodesCluster.class, c -> NodesCluster.start(), NodesCluster.class);
    }
}
