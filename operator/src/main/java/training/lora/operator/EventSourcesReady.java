package training.lora.operator;

import org.eclipse.microprofile.health.HealthCheck;
import org.eclipse.microprofile.health.HealthCheckResponse;
import org.eclipse.microprofile.health.Readiness;

/**
 * In the place of the check that the Quarkus extension brings, for which one namespace that can't be read is reason enough
 * to take no reports of the others.
 */
@Readiness
final class EventSourcesReady implements HealthCheck {
    private final WatchedNamespaces watched;

    EventSourcesReady(WatchedNamespaces watched) {
        this.watched = watched;
    }

    @Override
    public HealthCheckResponse call() {
        return HealthCheckResponse.named("event sources")
                .status(watched.started() && watched.heard())
                .build();
    }
}
