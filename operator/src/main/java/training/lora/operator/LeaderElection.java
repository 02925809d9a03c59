package training.lora.operator;

import io.javaoperatorsdk.operator.api.config.LeaderElectionConfiguration;
import io.quarkus.arc.Unremovable;
import jakarta.enterprise.context.Dependent;
import jakarta.enterprise.inject.Produces;
import org.jspecify.annotations.Nullable;

/** With more than one replica, the holder of a Lease reconciles; the others wait, and take reports all the same. */
final class LeaderElection {
    /** Null: this operator is alone and reconciles at once. */
    @Produces
    @Dependent
    @Unremovable
    @Nullable LeaderElectionConfiguration configuration(OperatorConfig config) {
        return config.leaderElection().enabled()
                ? new LeaderElectionConfiguration(
                        config.leaderElection().name(),
                        config.leaderElection().namespace().orElse(null))
                : null;
    }
}
