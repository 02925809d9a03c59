package training.lora.operator.plan;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;
import training.lora.api.Reason;

/** Deadlines are the operator's clock alone; they count what they speak of, and their messages name the cause. */
final class DeadlinesTest {
    private static final String JOB = "style-train-1";

    @Test
    void onlyTimeInWhichTheContainerRunsCounts() throws Exception {
        Scene scene = Scene.prepared("'activeDeadlineSeconds':600");
        scene.plan();
        scene.suspend(JOB, true);
        scene.after(10_000);
        assertThat(scene.reconciling().getReason()).isEqualTo("Queued");
        scene.suspend(JOB, false);
        scene.after(10_000);

        scene.runs(JOB);
        scene.plan();
        assertThat(scene.after(100).reschedule()).isEqualTo(Duration.ofSeconds(500));
        assertThat(scene.after(499).reschedule()).isEqualTo(Duration.ofSeconds(1));

        scene.after(1);
        assertThat(scene.status().phase()).isEqualTo("Failed");
        assertThat(scene.condition("Failed").getReason()).isEqualTo("DeadlineExceeded");
        assertThat(scene.condition("Failed").getMessage())
                .isEqualTo(
                        "the run's containers have run for `spec.activeDeadlineSeconds` (600): Train, attempt 1, was running");
        assertThat(scene.deleted()).containsExactly(JOB);
        assertThat(scene.status().activeSeconds()).isEqualTo(600);
    }

    @Test
    void whatRanBeforeAnInterruptionCountsAndTheInterruptionDoesNot() throws Exception {
        Scene scene = Scene.prepared("'activeDeadlineSeconds':600");
        scene.plan();
        scene.runs(JOB);
        scene.after(1);
        scene.ended(JOB, 200, 20, null);
        scene.plan();
        assertThat(scene.status().activeSeconds()).isEqualTo(200);
        scene.condition(JOB, "Failed", "BackoffLimitExceeded", "");

        scene.after(1000);
        assertThat(scene.created()).containsExactly("style-train-2");
        scene.runs("style-train-2");
        assertThat(scene.after(0).reschedule()).isEqualTo(Duration.ofSeconds(400));
    }

    @Test
    void aQueueThatStopsTheJobStopsTheClock() throws Exception {
        Scene scene = Scene.prepared("'activeDeadlineSeconds':600");
        scene.plan();
        scene.runs(JOB);
        scene.after(1);
        scene.now = scene.now.plusSeconds(99);
        scene.suspend(JOB, true);
        scene.pods.clear();
        scene.after(0);
        assertThat(scene.status().activeSeconds()).isEqualTo(99);

        scene.after(10_000);
        assertThat(scene.reconciling().getReason()).isEqualTo("Queued");
        scene.suspend(JOB, false);
        scene.pod(JOB, p -> Pods.running(p.name("second"), scene.now));
        assertThat(scene.after(0).reschedule()).isEqualTo(Duration.ofSeconds(501));
    }

    @Test
    void itCanBeRaisedWhileTheJobRuns() throws Exception {
        Scene scene = Scene.prepared("'activeDeadlineSeconds':600");
        scene.plan();
        scene.runs(JOB);
        scene.plan();
        scene.after(500);

        assertThat(scene.corrected("'activeDeadlineSeconds':1000").after(0).reschedule())
                .isEqualTo(Duration.ofSeconds(500));
        assertThat(scene.corrected("").after(10_000).reschedule()).isNull();
        assertThat(scene.reconciling().getReason()).isEqualTo("Running");
    }

    @Test
    void aRunThatFailedByItGoesOnWhenItIsRaised() throws Exception {
        Scene scene = Scene.prepared("'activeDeadlineSeconds':600");
        scene.plan();
        scene.runs(JOB);
        scene.plan();
        scene.after(600);
        assertThat(scene.status().phase()).isEqualTo("Failed");

        scene.corrected("'activeDeadlineSeconds':600,'ttlSecondsAfterFinished':10000")
                .after(10);
        assertThat(scene.status().phase()).isEqualTo("Failed");
        scene.corrected("'activeDeadlineSeconds':700").after(10);
        assertThat(scene.created()).containsExactly("style-train-2");
        scene.runs("style-train-2");
        assertThat(scene.after(0).reschedule()).isEqualTo(Duration.ofSeconds(100));
        assertThat(scene.status().limits()).isNull();
    }

    @Test
    void aPodThatDoesNotStartWaitsForEverUnlessThereIsALimit() throws Exception {
        Scene scene = Scene.prepared("'activeDeadlineSeconds':10");
        scene.plan();
        scene.pod(JOB, p -> p.node("n").containers(List.of(Pods.waiting("trainer", false, "ErrImagePull", "no"))));

        scene.after(100_000);
        assertThat(scene.reconciling().getReason()).isEqualTo("ErrImagePull");
    }

    @Test
    void theStartDeadlineNamesWhatKeptThePodFromStarting() throws Exception {
        Scene scene = Scene.prepared("'startDeadlineSeconds':60");
        scene.plan();
        scene.pod(JOB, p -> p.node("n")
                .containers(List.of(Pods.waiting("trainer", false, "ErrImagePull", "no such tag"))));
        scene.after(59);
        assertThat(scene.stage().outcome()).isNull();

        scene.after(1);
        assertThat(scene.stage().reason()).isEqualTo(Reason.DeadlineExceeded);
        assertThat(scene.condition("Failed").getMessage())
                .isEqualTo(
                        "`spec.startDeadlineSeconds` (60) have passed, and Train, attempt 1 has not started: ErrImagePull: the container trainer of the pod style-train-1-abcde can't start: ErrImagePull: no such tag");
        assertThat(scene.deleted()).containsExactly(JOB);

        scene.corrected("'startDeadlineSeconds':120").after(1);
        assertThat(scene.created()).containsExactly("style-train-2");
    }

    @Test
    void theStartDeadlineDoesNotCountTimeInAQueue() throws Exception {
        Scene scene = Scene.prepared("'startDeadlineSeconds':60");
        scene.plan();
        scene.suspend(JOB, true);
        scene.after(1000);
        scene.suspend(JOB, false);
        scene.plan();
        scene.after(59);
        assertThat(scene.stage().outcome()).isNull();
        scene.after(1);
        assertThat(scene.stage().reason()).isEqualTo(Reason.DeadlineExceeded);
    }

    @Test
    void theStartDeadlineCountsAnewFromTheEndOfAPodThatRanEvenOnceThatPodIsGone() throws Exception {
        Scene scene = Scene.prepared("'startDeadlineSeconds':600");
        scene.plan();
        scene.runs(JOB);
        scene.plan();
        assertThat(scene.stage().waitingSince()).isNull();

        // Drained after five hours: the Job makes another pod, and the old one is gone.
        scene.now = scene.now.plusSeconds(5 * 3600);
        scene.pods.clear();
        scene.plan();
        assertThat(scene.stage().outcome()).isNull();
        assertThat(scene.stage().waitingSince()).isEqualTo("2026-01-01T05:00:00Z");
        scene.pod(JOB, p -> p.name("second").node("n"));
        scene.after(599);
        assertThat(scene.stage().outcome()).isNull();

        scene.after(1);
        assertThat(scene.stage().reason()).isEqualTo(Reason.DeadlineExceeded);
    }

    @Test
    void theStartDeadlineSparesARunWhoseFirstPodCameAndWentWhileNoOperatorLooked() throws Exception {
        Scene scene = Scene.prepared("'startDeadlineSeconds':600");
        scene.plan();
        scene.now = scene.now.plusSeconds(5 * 3600);
        scene.pod(JOB, p -> p.name("second").node("n"));

        scene.after(5);
        assertThat(scene.stage().outcome()).isNull();
    }

    @Test
    void aNodesClockThatIsWrongChangesNoDeadline() throws Exception {
        Scene scene = Scene.prepared("'activeDeadlineSeconds':600");
        scene.plan();
        scene.pod(JOB, p -> Pods.running(p, scene.now.minusSeconds(3600)));
        assertThat(scene.after(1).reschedule()).isEqualTo(Duration.ofSeconds(600));
        assertThat(scene.stage().runningSince()).isEqualTo("2026-01-01T00:00:01Z");

        Instant started = scene.now.minusSeconds(3600);
        scene.pod(JOB, p -> Pods.ended(p, started, started)
                .containers(List.of(Pods.trainerEnded(started, started.plusSeconds(50), 20, "Error", null)))
                .phase("Failed"));
        scene.after(60);
        assertThat(scene.status().activeSeconds()).isEqualTo(60);
    }

    @Test
    void timeOnALostNodeDoesNotCountAndTheMessageNamesTheNode() throws Exception {
        Scene scene = Scene.prepared("'activeDeadlineSeconds':600");
        scene.plan();
        scene.runs(JOB);
        scene.plan();
        scene.now = scene.now.plusSeconds(100);
        scene.pod(JOB, p -> Pods.running(p, Scene.START).conditions(List.of(Pods.said("Ready", false, null, null))));
        scene.nodes.put("node-1", false);
        scene.plan();
        assertThat(scene.stage().runningSince()).isNull();

        scene.after(200_000);
        assertThat(scene.stage().outcome()).isNull();
        assertThat(scene.reconciling().getReason()).isEqualTo("NodeLost");
        assertThat(scene.status().activeSeconds()).isEqualTo(100);

        scene.corrected("'activeDeadlineSeconds':90").after(1);
        assertThat(scene.condition("Failed").getMessage()).contains("; the node node-1, on which the pod");
    }

    @Test
    void whatRanOnALostNodeIsCountedOnce() throws Exception {
        Scene scene = Scene.prepared("'activeDeadlineSeconds':600");
        scene.plan();
        scene.runs(JOB);
        scene.plan();
        scene.now = scene.now.plusSeconds(100);
        scene.pod(JOB, p -> Pods.running(p, Scene.START).conditions(List.of(Pods.said("Ready", false, null, null))));
        scene.nodes.put("node-1", false);
        scene.plan();
        scene.now = scene.now.plusSeconds(1000);
        Instant finished = scene.now;
        scene.pod(JOB, p -> Pods.ended(p, Scene.START, finished)
                .containers(List.of(Pods.trainerEnded(Scene.START, finished, 20, "Error", null)))
                .phase("Failed"));
        scene.plan();

        assertThat(scene.status().activeSeconds()).isEqualTo(100);
    }
}
