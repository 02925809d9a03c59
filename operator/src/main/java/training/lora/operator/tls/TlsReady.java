package training.lora.operator.tls;

import org.eclipse.microprofile.health.HealthCheck;
import org.eclipse.microprofile.health.HealthCheckResponse;
import org.eclipse.microprofile.health.Readiness;

/** Without a certificate trainers can't report. */
@Readiness
final class TlsReady implements HealthCheck {
    private final TlsKeeper keeper;

    TlsReady(TlsKeeper keeper) {
        this.keeper = keeper;
    }

    @Override
    public HealthCheckResponse call() {
        return HealthCheckResponse.named("certificate").status(keeper.ready()).build();
    }
}
