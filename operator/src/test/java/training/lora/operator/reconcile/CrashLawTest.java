package training.lora.operator.reconcile;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.Status;
import io.fabric8.kubernetes.api.model.StatusBuilder;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Map;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.LoraTrainingSpecBuilder;
import training.lora.api.LoraTrainingStatus;
import training.lora.api.Outcome;
import training.lora.api.Reason;
import training.lora.operator.plan.Settings;

/** Whenever the operator is killed, each attempt's Job is made once and the run ends the same. */
final class CrashLawTest {
    private static final Settings SETTINGS =
            new Settings("trainer", null, Duration.ofSeconds(10), Duration.ofMinutes(5));
    private static final Map<String, Integer> TRAIN_FAILS_ONCE = Map.of("style-train-1", 20);

    @Test
    void killedBeforeAnyWriteNoJobIsLostOrDoubled() {
        FakeCluster whole = new FakeCluster(60);
        drive(whole, TRAIN_FAILS_ONCE);
        assertThat(whole.created)
                .containsExactly("style-prepare-1", "style-train-1", "style-train-2", "style-evaluate-1");

        for (int cut = 0; cut < whole.writes; cut++) {
            FakeCluster cluster = new FakeCluster(60);
            cluster.killBefore = cut;
            drive(cluster, TRAIN_FAILS_ONCE);

            assertThat(cluster.created).as("killed before write %d", cut).isEqualTo(whole.created);
            assertThat(cluster.resource.getStatus().phase()).isEqualTo("Complete");
            assertThat(cluster.jobs).isEmpty();
            assertThat(cluster.mixed).isEmpty();
        }
    }

    @Test
    void howeverOldWhatWasHeardIsNoJobIsLostOrDoubled() {
        for (int seed = 0; seed < 300; seed++) {
            FakeCluster cluster = new FakeCluster(60);
            cluster.lag(new Random(seed));
            cluster.killBefore = seed % 30;
            for (int i = 0; i < 100; i++) {
                step(cluster, i * 15);
                if (i % 3 == 0) {
                    cluster.endJobs(TRAIN_FAILS_ONCE);
                }
            }

            assertThat(cluster.created)
                    .as("seed %d", seed)
                    .containsExactly("style-prepare-1", "style-train-1", "style-train-2", "style-evaluate-1");
            assertThat(cluster.resource.getStatus().phase()).isEqualTo("Complete");
            assertThat(cluster.jobs).as("seed %d", seed).isEmpty();
            assertThat(cluster.mixed).isEmpty();
        }
    }

    @Test
    void aFinishedJobWhosePodsAreNotHeardOfYetIsJudgedByItsPod() {
        for (int seed = 0; seed < 100; seed++) {
            FakeCluster cluster = new FakeCluster(null);
            cluster.lag(new Random(seed));
            for (int i = 0; i < 30; i++) {
                step(cluster, i * 15);
                cluster.endJobs(Map.of("style-prepare-1", 11));
            }
            assertThat(cluster.resource.getStatus().stages().get(0).reason())
                    .as("seed %d", seed)
                    .isEqualTo(Reason.InvalidData);
        }
    }

    @Test
    void whatIsHeardAndChangesNothingIsNotRead() {
        FakeCluster cluster = new FakeCluster(null);
        step(cluster, 0);
        assertThat(cluster.resource.getStatus())
                .as("before its Job is heard of")
                .isNull();
        step(cluster, 1);
        assertThat(cluster.resource.getStatus().stages()).hasSize(1);
        assertThat(cluster.reads).as("to begin a run").isZero();

        step(cluster, 2);
        step(cluster, 3);
        assertThat(cluster.reads).as("while its Job runs").isZero();

        drive(cluster, Map.of());
        assertThat(cluster.resource.getStatus().phase()).isEqualTo("Complete");
        cluster.reads = 0;
        step(cluster, 1000);
        assertThat(cluster.reads).as("once it is finished").isZero();
    }

    @Test
    void aRefusedJobIsToldAndTriedAgainUntilItIsTaken() {
        FakeCluster cluster = new FakeCluster(null);
        cluster.refusal = refusal("pods \"style-prepare-1\" is forbidden: exceeded quota: gpus");
        assertThat(after(cluster, 0)).isEqualTo(Duration.ofSeconds(10));

        assertThat(stalled(cluster))
                .isEqualTo(
                        "Refused: the API server refuses Job style-prepare-1: pods \"style-prepare-1\" is forbidden: exceeded quota: gpus");
        assertThat(cluster.emitted).containsExactly("Refused");
        int writes = cluster.writes;

        assertThat(after(cluster, 10)).isEqualTo(Duration.ofSeconds(10));
        assertThat(after(cluster, 20)).isEqualTo(Duration.ofSeconds(20));
        assertThat(after(cluster, 4000)).isEqualTo(Duration.ofMinutes(5));
        assertThat(cluster.emitted).containsExactly("Refused");
        // Claim, ConfigMap and Job at each try, and no status that says the same again.
        assertThat(cluster.writes - writes).isEqualTo(9);

        cluster.refusal = null;
        step(cluster, 4001);
        step(cluster, 4002);
        assertThat(cluster.created).containsExactly("style-prepare-1");
        assertThat(stalled(cluster)).isEqualTo("NotStalled: ");
    }

    @Test
    void inANamespaceThatGoesNothingIsDoneAndNothingIsTold() {
        FakeCluster cluster = new FakeCluster(null);
        step(cluster, 0);
        step(cluster, 1);
        LoraTrainingStatus before = cluster.resource.getStatus();
        cluster.endJobs(Map.of());
        cluster.refusal = terminating();

        assertThat(after(cluster, 15)).isNull();
        assertThat(cluster.resource.getStatus().conditions()).isEqualTo(before.conditions());
    }

    private static KubernetesClientException refusal(String message) {
        Status status = new StatusBuilder().withCode(403).withMessage(message).build();
        return new KubernetesClientException("Failure executing: POST at ...", 403, status);
    }

    private static KubernetesClientException terminating() {
        Status status = new StatusBuilder(refusal("forbidden").getStatus())
                .withNewDetails()
                .addNewCause("metadata.namespace", "the namespace goes", "NamespaceTerminating")
                .endDetails()
                .build();
        return new KubernetesClientException("Failure executing: POST at ...", 403, status);
    }

    @Test
    void suspendedWheneverKilledTheJobIsDeletedAndTheNextAttemptFollows() {
        for (int cut = 0; cut < 20; cut++) {
            FakeCluster cluster = new FakeCluster(null);
            step(cluster, 0);
            step(cluster, 0);
            suspend(cluster, true);
            cluster.killBefore = cluster.writes + cut;
            step(cluster, 1);
            step(cluster, 2);
            assertThat(cluster.jobs).as("killed before write %d", cut).isEmpty();
            assertThat(cluster.resource.getStatus().phase()).isEqualTo("Suspended");

            suspend(cluster, false);
            step(cluster, 3);
            step(cluster, 4);
            assertThat(cluster.created).containsExactly("style-prepare-1", "style-prepare-2");
            assertThat(cluster.mixed).isEmpty();
            assertThat(cluster.resource.getStatus().stages().get(0).failures()).isZero();
        }
    }

    @Test
    void hopelessFailureIsNotRetriedAndItsReasonStands() {
        FakeCluster cluster = new FakeCluster(null);
        drive(cluster, Map.of("style-prepare-1", 11));

        assertThat(cluster.created).containsExactly("style-prepare-1");
        assertThat(cluster.resource.getStatus().phase()).isEqualTo("Failed");
        assertThat(cluster.resource.getStatus().stages().get(0).reason()).isEqualTo(Reason.InvalidData);
    }

    @Test
    void retriesEndWhenTheyAreUsedUp() {
        FakeCluster cluster = new FakeCluster(null);
        drive(cluster, Map.of("style-prepare-1", 20, "style-prepare-2", 20));

        assertThat(cluster.created).containsExactly("style-prepare-1", "style-prepare-2");
        assertThat(cluster.resource.getStatus().phase()).isEqualTo("Failed");
    }

    @Test
    void deletedRunningJobCountsAsLostAndTheNextAttemptFollows() {
        FakeCluster cluster = new FakeCluster(null);
        step(cluster, 0);
        step(cluster, 0);
        cluster.jobs.clear();
        step(cluster, 1);
        assertThat(cluster.resource.getStatus().stages().get(0).reason()).isEqualTo(Reason.JobLost);

        step(cluster, 30);
        assertThat(cluster.created).containsExactly("style-prepare-1", "style-prepare-2");
    }

    @Test
    void deletedJobsOfAFinishedRunAreNotMadeAgain() {
        FakeCluster cluster = new FakeCluster(null);
        drive(cluster, Map.of());
        int made = cluster.created.size();
        cluster.jobs.clear();
        step(cluster, 10_000);

        assertThat(cluster.created).hasSize(made);
        assertThat(cluster.resource.getStatus().stages()).allMatch(s -> s.outcome() == Outcome.Succeeded);
    }

    private static void drive(FakeCluster cluster, Map<String, Integer> exitCodes) {
        for (int i = 0; i < 40; i++) {
            step(cluster, i * 15);
            cluster.endJobs(exitCodes);
        }
    }

    /** One call of a new operator: it remembers nothing. */
    private static void step(FakeCluster cluster, long seconds) {
        Instant now = FakeCluster.start().plusSeconds(seconds);
        try {
            new Rounds(cluster, SETTINGS, Clock.fixed(now, ZoneOffset.UTC)).run("default", "style");
        } catch (FakeCluster.Killed e) {
            assertThat(cluster.writes).isGreaterThan(cluster.killBefore);
        }
    }

    private static @Nullable Duration after(FakeCluster cluster, long seconds) {
        Instant now = FakeCluster.start().plusSeconds(seconds);
        return new Rounds(cluster, SETTINGS, Clock.fixed(now, ZoneOffset.UTC)).run("default", "style");
    }

    private static String stalled(FakeCluster cluster) {
        return cluster.resource.getStatus().conditions().stream()
                .filter(c -> c.getType().equals("Stalled"))
                .map(c -> c.getReason() + ": " + c.getMessage())
                .findFirst()
                .orElseThrow();
    }

    private static void suspend(FakeCluster cluster, boolean suspended) {
        LoraTrainingSpec s = cluster.resource.getSpec();
        cluster.resource.setSpec(
                LoraTrainingSpecBuilder.builder(s).suspend(suspended).build());
        cluster.changed();
    }
}
