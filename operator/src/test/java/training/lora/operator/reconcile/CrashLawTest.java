package training.lora.operator.reconcile;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Map;
import org.junit.jupiter.api.Test;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.LoraTrainingSpecBuilder;
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
    void suspendedWheneverKilledTheJobIsDeletedAndTheNextAttemptFollows() {
        for (int cut = 0; cut < 20; cut++) {
            FakeCluster cluster = new FakeCluster(null);
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

    private static void suspend(FakeCluster cluster, boolean suspended) {
        LoraTrainingSpec s = cluster.resource.getSpec();
        cluster.resource.setSpec(
                LoraTrainingSpecBuilder.builder(s).suspend(suspended).build());
    }
}
