package training.lora.operator;

import org.eclipse.microprofile.health.HealthCheck;
import org.eclipse.microprofile.health.HealthCheckResponse;
import org.eclipse.microprofile.health.Liveness;

/** An informer that went quiet is only cured by a restart. */
@Liveness
final class EventSourcesAlive implements HealthCheck {
    private final WatchedNamespaces watched;

    EventSourcesAlive(WatchedNamespaces watched) {
        this.watched = watched;
    }

    @Override
    public HealthCheckResponse call() {
        return HealthCheckResponse.named("event sources")
                .status(!watched.started() || watched.heard())
                .build();
    }
}
