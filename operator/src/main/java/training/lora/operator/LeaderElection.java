package training.lora.operator;

import io.fabric8.kubernetes.api.model.coordination.v1.Lease;
import io.fabric8.kubernetes.api.model.coordination.v1.LeaseBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.extended.leaderelection.LeaderCallbacks;
import io.javaoperatorsdk.operator.api.config.LeaderElectionConfiguration;
import io.javaoperatorsdk.operator.api.config.LeaderElectionConfigurationBuilder;
import io.quarkus.arc.Unremovable;
import io.quarkus.runtime.Quarkus;
import io.quarkus.runtime.ShutdownEvent;
import jakarta.annotation.Priority;
import jakarta.enterprise.context.Dependent;
import jakarta.enterprise.event.Observes;
import jakarta.enterprise.inject.Produces;
import jakarta.inject.Singleton;
import java.util.Objects;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * With more than one replica, the holder of a Lease reconciles; the others wait, and take reports all the same. Who is
 * told to end gives the Lease back; who loses it ends.
 */
@Singleton
public final class LeaderElection {
    private static final Logger LOG = LoggerFactory.getLogger(LeaderElection.class);

    private final KubernetesClient client;
    private final OperatorConfig.LeaderElection config;
    private final String identity;

    private volatile boolean ending;
    private volatile boolean leads;

    LeaderElection(KubernetesClient client, OperatorConfig config) {
        this.client = client;
        this.config = config.leaderElection();
        this.identity = this.config.identity().orElse(UUID.randomUUID().toString());
    }

    /** Null: this operator is alone and reconciles at once. */
    @Produces
    @Dependent
    @Unremovable
    @Nullable LeaderElectionConfiguration configuration() {
        if (!config.enabled()) {
            return null;
        }
        return LeaderElectionConfigurationBuilder.aLeaderElectionConfiguration(config.name())
                .withLeaseNamespace(namespace())
                .withIdentity(identity)
                // System.exit in a shutdown hook waits for itself.
                .withExitOnStopLeading(false)
                .withLeaderCallbacks(new LeaderCallbacks(
                        this::startsLeading, this::stopsLeading, leader -> LOG.info("the leader is {}", leader)))
                .build();
    }

    private String namespace() {
        return config.namespace().orElse(client.getNamespace());
    }

    /** Before the Java Operator SDK is told, which then stops the election. */
    void end(@Observes @Priority(1) ShutdownEvent event) {
        ending = true;
    }

    private void startsLeading() {
        leads = true;
        LOG.info("leads as {}", identity);
    }

    /** Whether this replica runs trainings. */
    public boolean leads() {
        return leads || !config.enabled();
    }

    private void stopsLeading() {
        leads = false;
        if (ending) {
            release();
        } else {
            LOG.warn("{} no longer leads, and ends", identity);
            Quarkus.asyncExit(1);
        }
    }

    /** No reconciliation runs any more, so another replica may go on at once. */
    private void release() {
        try {
            Lease lease = client.leases()
                    .inNamespace(namespace())
                    .withName(config.name())
                    .get();
            if (lease == null || !Objects.equals(lease.getSpec().getHolderIdentity(), identity)) {
                return;
            }
            // With its resourceVersion, so that nobody else's is taken away.
            client.leases()
                    .resource(new LeaseBuilder(lease)
                            .editSpec()
                            .withHolderIdentity("")
                            .withLeaseDurationSeconds(1)
                            .endSpec()
                            .build())
                    .update();
            LOG.info("gave the Lease {}/{} back", namespace(), config.name());
        } catch (KubernetesClientException e) {
            LOG.warn("the Lease {}/{} could not be given back: {}", namespace(), config.name(), e.getMessage());
        }
    }
}
