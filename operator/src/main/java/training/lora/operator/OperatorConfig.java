package training.lora.operator;

import io.smallrye.config.ConfigMapping;
import io.smallrye.config.WithDefault;
import java.time.Duration;
import java.util.Optional;

/** The operator's settings; {@code lora.operator.url} is LORA_OPERATOR_URL in the environment, and so on. */
@ConfigMapping(prefix = "lora")
public interface OperatorConfig extends PodConfig {
    /** Trainer. */
    Trainer trainer();

    /** Operator. */
    Operator operator();

    /** Retries of stages. */
    Retry retry();

    /** Progress. */
    Progress progress();

    /** Leader election. */
    LeaderElection leaderElection();

    /** Trainer. */
    interface Trainer {
        /** The trainer's image where a resource names none. */
        @WithDefault("lora-trainer:0.1.0-SNAPSHOT")
        String image();
    }

    /** Operator. */
    interface Operator {
        /** Base URL at which pods reach this operator; unset: they push no progress. */
        Optional<String> url();
    }

    /** Retries of stages. */
    interface Retry {
        /** Delay after a stage's first failure; doubled for each one after. */
        @WithDefault("10s")
        Duration delay();

        /** The longest delay. */
        @WithDefault("5m")
        Duration maxDelay();
    }

    /** Progress. */
    interface Progress {
        /** Writes of progress a second, over all resources. */
        @WithDefault("10")
        double writesPerSecond();
    }

    /** Leader election, for more than one replica; it needs a Role with get, create, update and patch of leases. */
    interface LeaderElection {
        /** Whether to reconcile only while holding the Lease. */
        @WithDefault("false")
        boolean enabled();

        /** The Lease's name. */
        @WithDefault("lora-operator")
        String name();

        /** The Lease's namespace; unset: the operator's own. */
        Optional<String> namespace();
    }
}
