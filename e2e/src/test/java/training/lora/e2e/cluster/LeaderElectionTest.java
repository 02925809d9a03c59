package training.lora.e2e.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.coordination.v1.Lease;
import io.fabric8.kubernetes.api.model.coordination.v1.LeaseBuilder;
import java.time.Duration;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Two replicas under the chart's account, as a rollout has them. */
@ClusterTest
final class LeaderElectionTest {
    private final RealCluster cluster;

    LeaderElectionTest(RealCluster cluster) {
        this.cluster = cluster;
    }

    @BeforeEach
    void alone() {
        cluster.stopOperator();
        OperatorAccount.install(cluster);
        cluster.client()
                .leases()
                .inNamespace(OperatorAccount.NAMESPACE)
                .withName(OperatorAccount.NAME)
                .delete();
    }

    @AfterEach
    void removeLease() {
        alone();
    }

    @Test
    void aLeaderThatIsToldToEndHandsOverAtOnce() throws Exception {
        String namespace = cluster.namespace("handover");
        try (Replica first = Replica.start(cluster, "handover-1", Map.of())) {
            first.awaitReady(cluster);
            awaitLeader(first);
            // Longer than the deadline for renewing: the account may do so.
            Thread.sleep(12_000);
            assertThat(holder()).isEqualTo(first.name());
            try (Replica second = Replica.start(cluster, "handover-2", Map.of())) {
                second.awaitReady(cluster);
                assertThat(holder()).isEqualTo(first.name());

                long told = System.nanoTime();
                Duration end = first.terminate();
                awaitLeader(second);
                Duration without = Duration.ofNanos(System.nanoTime() - told);

                System.out.printf("SIGTERM to the end %s, to the next leader %s%n", end, without);
                assertThat(end).isLessThan(Duration.ofSeconds(10));
                // A lease that is not let go is taken 13 s later or more.
                assertThat(without).isLessThan(Duration.ofSeconds(12));
                cluster.apply(namespace, "after", r -> {});
                cluster.pod(namespace, "after-prepare-1");
            }
        }
    }

    @Test
    void whoLosesTheLeaseEnds() throws Exception {
        try (Replica replica = Replica.start(cluster, "loser", Map.of())) {
            replica.awaitReady(cluster);
            awaitLeader(replica);

            Kube.edit(() -> cluster.client()
                    .leases()
                    .inNamespace(OperatorAccount.NAMESPACE)
                    .withName(OperatorAccount.NAME)
                    .edit(l -> new LeaseBuilder(l)
                            .editSpec()
                            .withHolderIdentity("somebody-else")
                            .withRenewTime(ZonedDateTime.now(ZoneOffset.UTC).plusMinutes(1))
                            .endSpec()
                            .build()));

            assertThat(replica.process().waitFor(120, TimeUnit.SECONDS)).isTrue();
            assertThat(replica.process().exitValue()).isNotZero();
            assertThat(holder()).isEqualTo("somebody-else");
        }
    }

    private void awaitLeader(Replica replica) {
        cluster.client()
                .leases()
                .inNamespace(OperatorAccount.NAMESPACE)
                .withName(OperatorAccount.NAME)
                .waitUntilCondition(l -> replica.name().equals(holder(l)), 180, TimeUnit.SECONDS);
    }

    private String holder() {
        return holder(cluster.client()
                .leases()
                .inNamespace(OperatorAccount.NAMESPACE)
                .withName(OperatorAccount.NAME)
                .require());
    }

    private static String holder(Lease lease) {
        return lease == null ? "" : Objects.requireNonNullElse(lease.getSpec().getHolderIdentity(), "");
    }
}
