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

    /** The certificate by which pods know this operator. */
    Tls tls();

    /** Trainer. */
    interface Trainer {
        /** The trainer's image where a resource names none. */
        @WithDefault("lora-trainer:0.1.0-SNAPSHOT")
        String image();
    }

    /** Operator. */
    interface Operator {
        /** Base URL at which pods reach this operator, with https; unset: they push no progress. */
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

        /** Tells this process from others in the Lease, such as its pod's name; unset: made up. */
        Optional<String> identity();
    }

    /** The certificate by which pods know this operator. */
    interface Tls {
        /** The Secret that holds it; unset: there is none, and progress may travel within this machine only. */
        Optional<String> secret();

        /** The Secret's namespace; unset: the operator's own. */
        Optional<String> namespace();

        /** Whether the operator makes and renews it; else somebody else does, such as cert-manager. */
        @WithDefault("true")
        boolean manage();

        /** The ConfigMap that tells pods whom to trust, one in each namespace with trainings. */
        @WithDefault("lora-operator-ca")
        String configMap();

        /** How long a certificate is valid. */
        @WithDefault("90d")
        Duration life();

        /** How long before its end the next one is made. */
        @WithDefault("30d")
        Duration renewBefore();

        /** How long pods trust the next one before it is used, and the last one after; kubelets need some minutes. */
        @WithDefault("1h")
        Duration overlap();
    }
}
