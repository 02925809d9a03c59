package training.lora.operator;

import io.javaoperatorsdk.operator.Operator;
import org.eclipse.microprofile.health.HealthCheck;
import org.eclipse.microprofile.health.HealthCheckResponse;
import org.eclipse.microprofile.health.Liveness;

/** An informer that went quiet is only cured by a restart. */
@Liveness
final class EventSourcesAlive implements HealthCheck {
    private final Operator operator;

    EventSourcesAlive(Operator operator) {
        this.operator = operator;
    }

    @Override
    public HealthCheckResponse call() {
        boolean alive = !operator.getRuntimeInfo().isStarted()
                || operator.getRuntimeInfo().allEventSourcesAreHealthy();
        return HealthCheckResponse.named("event sources").status(alive).build();
    }
}
