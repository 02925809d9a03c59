package training.lora.operator.plan;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.Outcome;
import training.lora.api.Reason;
import training.lora.api.StageStatus;

/** How an attempt ended, and whether that is held against the run's retries. */
final class StageEndTest {
    private static final String JOB = "style-train-1";
    private static final String PREEMPTED = "'outcome':'Failed','reason':'Preempted','message':'asked to stop'";

    private Scene scene;

    @BeforeEach
    void training() throws Exception {
        scene = Scene.prepared("");
        scene.plan();
        scene.runs(JOB);
        scene.after(1);
    }

    @Test
    void aResultIsTakenWhenTheTrainerEndsThoughItsJobIsNotDone() {
        scene.ended(JOB, 60, 0, Resources.succeeded("Train", 1));
        scene.plan();

        assertThat(scene.status().stages().get(1).outcome()).isEqualTo(Outcome.Succeeded);
        assertThat(scene.created()).containsExactly("style-evaluate-1");
        assertThat(scene.deleted()).isEmpty();
    }

    @Test
    void aContainerBesideTheTrainerNeitherEndsTheStageNorKeepsItFromEnding() {
        scene.pod(JOB, p -> {
            RunPod running = Pods.running(p, scene.now).build();
            ContainerView mesh = ContainerViewBuilder.builder()
                    .name("mesh")
                    .init(false)
                    .exitCode(1)
                    .endReason("Error")
                    .build();
            return p.containers(List.of(mesh, running.containers().get(0)));
        });
        scene.after(1);
        assertThat(scene.stage().outcome()).isNull();

        scene.pod(JOB, p -> p.phase("Running")
                .containers(List.of(
                        ContainerViewBuilder.builder()
                                .name("mesh")
                                .init(false)
                                .startedAt(scene.now)
                                .build(),
                        Pods.trainerEnded(scene.now, scene.now, 0, "Completed", Resources.succeeded("Train", 1)))));
        scene.after(1);
        assertThat(scene.status().stages().get(1).outcome()).isEqualTo(Outcome.Succeeded);
        assertThat(scene.created()).containsExactly("style-evaluate-1");
        // The mesh never ends, so the Job doesn't.
        scene.after(31);
        assertThat(scene.deleted()).containsExactly(JOB);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "no JSON",
                "null",
                "{\"version\":\"lora.training/result/v1\",\"runId\":\"abc\",\"stage\":\"Train\",\"attempt\":1,\"outcome\":\"Succeeded\",\"saved\":{}}",
                "{\"version\":\"lora.training/result/v1\",\"runId\":\"abc\",\"stage\":\"Train\",\"attempt\":1,\"outcome\":\"Succeeded\",\"checkpoints\":[{\"metrics\":[]}]}",
                "{\"version\":\"lora.training/result/v1\",\"runId\":\"abc\",\"stage\":\"Train\",\"attempt\":1,\"outcome\":\"Succeeded\",\"best\":{\"step\":1,\"metrics\":[{\"value\":\"1\"}]}}",
                "{\"version\":\"lora.training/result/v1\",\"runId\":\"abc\",\"stage\":\"Train\",\"attempt\":1,\"outcome\":\"Succeeded\",\"artifacts\":[{\"name\":\"lora\"}]}",
                "{\"version\":\"lora.training/result/v1\",\"runId\":\"abc\",\"stage\":\"Train\",\"attempt\":7,\"outcome\":\"Succeeded\"}",
                "{\"version\":\"lora.training/result/v1\",\"runId\":\"abc\",\"stage\":\"Prepare\",\"attempt\":1,\"outcome\":\"Succeeded\"}",
                "{\"version\":\"lora.training/result/v1\",\"runId\":\"other\",\"stage\":\"Train\",\"attempt\":1,\"outcome\":\"Succeeded\"}",
            })
    void anExitCodeOfZeroWithoutAResultOfThisRunStageAndAttemptIsAFailure(String message) {
        scene.ended(JOB, 60, 0, message);
        scene.plan();

        assertThat(scene.stage().reason()).isEqualTo(Reason.PodFailed);
        assertThat(scene.stage().message())
                .startsWith("the trainer ended with exit code 0 and no readable result of this run, stage and attempt");
        assertThat(scene.stage().failures()).isEqualTo(1);
    }

    @Test
    void theLogsEndStandsInTheMessageWhereTheTrainerWroteNoResult() {
        scene.ended(JOB, 60, 134, "a line\nfree(): invalid pointer\n");
        scene.plan();

        assertThat(scene.stage().message()).endsWith("; its last words: a line free(): invalid pointer");
    }

    @Test
    void outOfMemoryIsNamedAndWhatMayHelp() {
        killed(p -> p, 137, "OOMKilled", null);

        assertThat(scene.stage().reason()).isEqualTo(Reason.OutOfMemory);
        assertThat(scene.stage().message()).contains("exceeded its memory limit (OOMKilled); a higher limit in");
    }

    @Test
    void anEvictionForStorageIsAFullStorageWhateverTheTrainerTookItFor() {
        killed(
                p -> p.reason("Evicted").message("Pod ephemeral local storage usage exceeds the total limit 1Gi."),
                75,
                "Error",
                Resources.result("Train", 1, PREEMPTED));

        assertThat(scene.stage().reason()).isEqualTo(Reason.StorageFull);
        assertThat(scene.stage().message())
                .isEqualTo(
                        "the kubelet evicted the pod: Pod ephemeral local storage usage exceeds the total limit 1Gi.");
        assertThat(scene.stage().failures()).isEqualTo(1);
    }

    @Test
    void aContainerThatCouldNotBeStartedIsNamedAndTheRunHasNotBegun() throws Exception {
        Scene first = Scene.of("");
        first.plan();
        first.pod("style-prepare-1", p -> p.phase("Failed")
                .node("node-1")
                .containers(List.of(ContainerViewBuilder.builder()
                        .name("trainer")
                        .init(false)
                        .exitCode(128)
                        .endReason("StartError")
                        .message("exec: \"/lora\": no such file")
                        .build())));
        first.after(1);

        assertThat(first.stage().message())
                .isEqualTo("the trainer's container could not be started (StartError: exec: \"/lora\": no such file)");
        assertThat(first.status().startTime()).isNull();
    }

    @Test
    void aPodThatFailedBeforeItRanIsNamedByWhatTheNodeSays() {
        scene.pod(JOB, p -> p.phase("Failed").reason("UnexpectedAdmissionError").message("no healthy devices"));
        scene.condition(JOB, "Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit");
        scene.after(1);

        assertThat(scene.stage().message())
                .isEqualTo(
                        "the pod style-train-1-abcde failed before its trainer ran: UnexpectedAdmissionError: no healthy devices");
    }

    @Test
    void anInitContainerThatFailedIsNamed() {
        scene.pod(JOB, p -> p.phase("Failed")
                .containers(List.of(ContainerViewBuilder.builder()
                        .name("certs")
                        .init(true)
                        .exitCode(3)
                        .message("no CA")
                        .build())));
        scene.condition(JOB, "FailureTarget", "BackoffLimitExceeded", "");
        scene.after(1);

        assertThat(scene.stage().message()).endsWith("its init container certs ended with exit code 3: no CA");
    }

    @Test
    void aDeletedPodIsNoFailureAndTheNextAttemptGoesOn() {
        killed(p -> p.deletionTime(scene.now), 75, "Error", Resources.result("Train", 1, PREEMPTED));

        assertThat(scene.stage().reason()).isEqualTo(Reason.Preempted);
        assertThat(scene.stage().message()).isEqualTo("the pod style-train-1-abcde was deleted");
        assertThat(scene.stage().failures()).isZero();
        assertThat(scene.stage().interruptions()).isEqualTo(1);
        assertThat(scene.events()).containsExactly("StageInterrupted");
        scene.condition(JOB, "Failed", "BackoffLimitExceeded", "");
        scene.pods.clear();
        scene.after(10);
        assertThat(scene.created()).containsExactly("style-train-2");
    }

    @Test
    void aFailedJobWithoutAPodWasDeletedByHand() {
        scene.pods.clear();
        scene.condition(JOB, "Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit");
        scene.after(1);

        assertThat(scene.stage().reason()).isEqualTo(Reason.Preempted);
        assertThat(scene.stage().message())
                .isEqualTo("the Job failed (Job has reached the specified backoff limit), and its pod was deleted");
        assertThat(scene.stage().failures()).isZero();
    }

    @Test
    void theJobsOwnMessageIsUsedWhereItsPodIsGone() {
        scene.pods.clear();
        scene.condition(JOB, "Failed", "PodFailurePolicy", "Container trainer for pod a/b failed with exit code 11");
        scene.after(1);

        assertThat(scene.stage().message())
                .isEqualTo("the Job failed: Container trainer for pod a/b failed with exit code 11");
        assertThat(scene.stage().failures()).isEqualTo(1);
    }

    @Test
    void aResultThatNobodyReadIsMadeAgain() {
        scene.pods.clear();
        scene.condition(JOB, "SuccessCriteriaMet", "CompletionsReached", "");
        scene.after(1);

        assertThat(scene.stage().outcome()).isEqualTo(Outcome.Failed);
        assertThat(scene.stage().failures()).isZero();
    }

    @Test
    void nothingIsDecidedWhileATrainerMayStillWrite() {
        scene.condition(JOB, "FailureTarget", "BackoffLimitExceeded", "");
        scene.after(1);

        assertThat(scene.stage().outcome()).isNull();
    }

    @Test
    void beingToldToEndIsNoFailureIfItCameFurtherAndOneIfNot() {
        told(1, 200);
        assertThat(scene.stage().failures()).isZero();
        assertThat(requireNonNull(scene.stage().saved()).step()).isEqualTo(200);

        again(2);
        told(2, 200);
        assertThat(scene.stage().failures()).isEqualTo(1);
        assertThat(scene.stage().message())
                .isEqualTo("asked to stop; it counts as a failure, since no state was written after step 200");

        again(3);
        told(3, 300);
        assertThat(scene.stage().failures()).isEqualTo(1);
    }

    @Test
    void aTrainingThatIsAlwaysToldToEndAtOnceEnds() {
        for (int attempt = 1; attempt <= 4; attempt++) {
            if (attempt > 1) {
                again(attempt);
            }
            told(attempt, 0);
        }

        assertThat(scene.status().phase()).isEqualTo("Failed");
        assertThat(scene.condition("Failed").getReason()).isEqualTo("Preempted");
    }

    @Test
    void podsThatAreDeletedAgainAndAgainAreMadeEverMoreSlowly() {
        for (int attempt = 1; attempt <= 5; attempt++) {
            String job = "style-train-" + attempt;
            scene.pod(job, p -> Pods.running(p, scene.now)
                    .deletionTime(scene.now)
                    .phase("Failed")
                    .containers(List.of(Pods.trainerEnded(scene.now, scene.now, 143, "Error", null))));
            scene.condition(job, "Failed", "BackoffLimitExceeded", "");
            PlanResult plan = scene.after(1);

            assertThat(scene.stage().failures()).isZero();
            assertThat(plan.reschedule())
                    .isEqualTo(Duration.ofSeconds(List.of(10, 20, 40, 60, 60).get(attempt - 1)));
            scene.after(60);
        }
    }

    @Test
    void thePodsOwnDeadlineIsAPreemption() {
        killed(
                p -> p.reason("DeadlineExceeded").message("Pod was active on the node longer than its deadline"),
                75,
                "Error",
                Resources.result("Train", 1, PREEMPTED + ",'saved':{'step':10,'time':'2026-01-01T00:00:30Z'}"));

        assertThat(scene.stage().reason()).isEqualTo(Reason.Preempted);
        assertThat(scene.stage().message()).startsWith("the pod's own deadline passed");
        assertThat(scene.stage().failures()).isZero();
    }

    @Test
    void aJobsDeadlineThatSomeoneElseSetIsAPreemption() {
        scene.pods.clear();
        scene.condition(JOB, "Failed", "DeadlineExceeded", "Job was active longer than specified deadline");
        scene.after(1);

        assertThat(scene.stage().reason()).isEqualTo(Reason.Preempted);
        assertThat(scene.stage().failures()).isEqualTo(1);
    }

    @Test
    void aDisruptedPodsJobMakesAnotherAndTheAttemptGoesOn() {
        scene.pod(JOB, p -> Pods.running(p, scene.now)
                .phase("Failed")
                .containers(List.of(Pods.trainerEnded(scene.now, scene.now, 75, "Error", null)))
                .conditions(List.of(Pods.said("DisruptionTarget", true, "EvictionByEvictionAPI", "drained"))));
        scene.after(1);
        assertThat(scene.stage().outcome()).isNull();

        scene.pod(JOB, p -> Pods.running(p.name("second").created(scene.now), scene.now));
        scene.after(1);
        assertThat(scene.stage().outcome()).isNull();
        assertThat(scene.reconciling().getReason()).isEqualTo("Running");

        scene.pod(JOB, p -> p.name("second")
                .containers(List.of(
                        Pods.trainerEnded(scene.now, scene.now, 0, "Completed", Resources.succeeded("Train", 1)))));
        scene.after(1);
        assertThat(scene.status().stages().get(1).outcome()).isEqualTo(Outcome.Succeeded);
    }

    @Test
    void oldJobsOfAStageAreDeletedAndTheNewestAreKept() {
        for (int attempt = 1; attempt <= 6; attempt++) {
            told(attempt, attempt * 10);
            scene.condition("style-train-" + attempt, "Failed", "BackoffLimitExceeded", "");
            again(attempt + 1);
        }

        assertThat(scene.jobs.keySet()).containsExactly("style-train-5", "style-train-6", "style-train-7");
    }

    /** The trainer of that attempt runs a minute and is told to end when it has saved that step. */
    private void told(int attempt, int step) {
        String saved = step == 0 ? "" : ",'saved':{'step':%d,'time':'2026-01-01T00:00:30Z'}".formatted(step);
        scene.ended("style-train-" + attempt, 60, 75, Resources.result("Train", attempt, PREEMPTED + saved));
        scene.plan();
        scene.condition("style-train-" + attempt, "Failed", "BackoffLimitExceeded", "");
    }

    private void again(int attempt) {
        scene.after(60);
        assertThat(scene.created()).containsExactly("style-train-" + attempt);
    }

    private void killed(UnaryOperator<RunPodBuilder> how, int code, String cause, @Nullable String message) {
        scene.pod(
                JOB,
                p -> how.apply(p.phase("Failed")
                        .node("node-1")
                        .containers(List.of(Pods.trainerEnded(scene.now, scene.now, code, cause, message)))));
        scene.after(1);
        StageStatus stage = scene.stage();
        assertThat(stage.outcome()).isEqualTo(Outcome.Failed);
    }

    @Test
    void aFailureThatTellsOfAStateWithoutItsStepIsAFailureWithoutOne() {
        scene.ended(JOB, 60, 75, Resources.result("Train", 1, PREEMPTED + ",'saved':{}"));
        scene.plan();

        assertThat(scene.stage().outcome()).isEqualTo(Outcome.Failed);
        assertThat(scene.stage().saved()).isNull();
    }
}
