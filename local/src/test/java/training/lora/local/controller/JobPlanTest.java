package training.lora.local.controller;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.api.model.batch.v1.JobBuilder;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class JobPlanTest {
    private static final Instant NOW = Instant.parse("2026-01-01T00:10:00Z");

    private static JobBuilder job() {
        return new JobBuilder()
                .withNewMetadata()
                .withName("j")
                .endMetadata()
                .withNewSpec()
                .withBackoffLimit(1)
                .withNewPodFailurePolicy()
                .addNewRule()
                .withAction("Ignore")
                .addNewOnPodCondition("True", "DisruptionTarget")
                .endRule()
                .addNewRule()
                .withAction("FailJob")
                .withNewOnExitCodes()
                .withOperator("In")
                .withValues(11)
                .endOnExitCodes()
                .endRule()
                .endPodFailurePolicy()
                .endSpec();
    }

    private static JobBuilder started(Instant at) {
        return job().withNewStatus().withStartTime(at.toString()).endStatus();
    }

    private static Pod running() {
        return new PodBuilder()
                .withNewMetadata()
                .withName("p")
                .endMetadata()
                .withNewStatus()
                .withPhase("Running")
                .endStatus()
                .build();
    }

    private static Pod ended(int code, Instant at) {
        return new PodBuilder()
                .withNewMetadata()
                .withName("p" + code)
                .withNamespace("n")
                .withCreationTimestamp(at.toString())
                .endMetadata()
                .withNewSpec()
                .addNewContainer()
                .withName("trainer")
                .endContainer()
                .endSpec()
                .withNewStatus()
                .withPhase(code == 0 ? "Succeeded" : "Failed")
                .addNewContainerStatus()
                .withName("trainer")
                .withNewState()
                .withNewTerminated()
                .withExitCode(code)
                .withFinishedAt(at.toString())
                .endTerminated()
                .endState()
                .endContainerStatus()
                .endStatus()
                .build();
    }

    private static Pod deleted() {
        return new PodBuilder(running())
                .editMetadata()
                .withDeletionTimestamp(NOW.toString())
                .endMetadata()
                .build();
    }

    private static Optional<String> reason(JobPlan.Next next, String type) {
        return next.status().getConditions().stream()
                .filter(c -> c.getType().equals(type) && c.getStatus().equals("True"))
                .map(c -> c.getReason())
                .findFirst();
    }

    private static JobPlan.Next plan(Job job, Pod... pods) {
        return JobPlan.of(job, List.of(pods), NOW);
    }

    @Test
    void newJobGetsAPodAndAStartTime() {
        JobPlan.Next next = plan(job().build());

        assertThat(next.createPod()).isTrue();
        assertThat(next.status().getStartTime()).isEqualTo(NOW.toString());
    }

    @Test
    void runningPodIsLeftAlone() {
        JobPlan.Next next = plan(started(NOW).build(), running());

        assertThat(next.createPod()).isFalse();
        assertThat(next.deletePods()).isEmpty();
        assertThat(next.status().getActive()).isOne();
    }

    @Test
    void successCompletesTheJob() {
        JobPlan.Next next = plan(started(NOW).build(), ended(0, NOW));

        assertThat(reason(next, "Complete")).contains("CompletionsReached");
        assertThat(next.status().getCompletionTime()).isEqualTo(NOW.toString());
        assertThat(next.createPod()).isFalse();
    }

    @Test
    void failureIsRetriedAfterTenSeconds() {
        JobPlan.Next early = plan(started(NOW.minusSeconds(60)).build(), ended(20, NOW.minusSeconds(9)));
        JobPlan.Next due = plan(started(NOW.minusSeconds(60)).build(), ended(20, NOW.minusSeconds(10)));

        assertThat(early.createPod()).isFalse();
        assertThat(early.again()).isEqualTo(NOW.plusSeconds(1));
        assertThat(due.createPod()).isTrue();
    }

    @Test
    void moreFailuresThanTheBackoffLimitFailTheJob() {
        JobPlan.Next next = plan(started(NOW).build(), ended(20, NOW), ended(21, NOW));

        assertThat(reason(next, "Failed")).contains("BackoffLimitExceeded");
        assertThat(next.status().getFailed()).isEqualTo(2);
    }

    @Test
    void exitCodeOfAFailJobRuleFailsTheJobAtOnce() {
        JobPlan.Next next = plan(started(NOW).build(), ended(11, NOW));

        assertThat(reason(next, "Failed")).contains("PodFailurePolicy");
        assertThat(next.status().getConditions().get(0).getMessage())
                .isEqualTo("Container trainer for pod n/p11 failed with exit code 11 matching FailJob rule at index 1");
    }

    @Test
    void disruptedPodIsReplacedAtOnceAndNotCounted() {
        Pod disrupted = new PodBuilder(ended(143, NOW))
                .editStatus()
                .addNewCondition()
                .withType("DisruptionTarget")
                .withStatus("True")
                .endCondition()
                .endStatus()
                .build();

        JobPlan.Next next = plan(started(NOW).build(), disrupted);

        assertThat(next.createPod()).isTrue();
        assertThat(next.status().getFailed()).isZero();
    }

    @Test
    void suspensionEndsThePodAndResumingMakesAnother() {
        Job suspended = started(NOW).editSpec().withSuspend(true).endSpec().build();
        JobPlan.Next stop = plan(suspended, running());
        assertThat(stop.deletePods()).containsExactly("p");
        assertThat(stop.status().getStartTime()).isNull();
        assertThat(reason(stop, "Suspended")).contains("JobSuspended");

        Job resumed = job().withStatus(stop.status()).build();
        JobPlan.Next go = plan(resumed);
        assertThat(go.createPod()).isTrue();
        assertThat(reason(go, "Suspended")).isEmpty();
    }

    @Test
    void deadlineEndsThePodFirstAndThenFailsTheJob() {
        Job late = started(NOW.minusSeconds(61))
                .editSpec()
                .withActiveDeadlineSeconds(60L)
                .endSpec()
                .build();
        JobPlan.Next stop = plan(late, running());
        assertThat(stop.deletePods()).containsExactly("p");
        assertThat(reason(stop, "Failed")).isEmpty();

        late.setStatus(stop.status());
        assertThat(reason(plan(late), "Failed")).contains("DeadlineExceeded");
    }

    @Test
    void terminatingPodHoldsBackItsReplacementIfThePolicySaysFailed() {
        Job strict = started(NOW)
                .editSpec()
                .withPodReplacementPolicy("Failed")
                .endSpec()
                .build();

        assertThat(plan(strict, deleted()).createPod()).isFalse();
        assertThat(plan(started(NOW).build(), deleted()).createPod()).isTrue();
    }

    @Test
    void finishedJobIsDeletedWhenItsTimeIsOver() {
        Job finished =
                started(NOW).editSpec().withTtlSecondsAfterFinished(5).endSpec().build();
        finished.setStatus(plan(finished, ended(0, NOW)).status());

        assertThat(plan(finished).again()).isEqualTo(NOW.plusSeconds(5));
        assertThat(JobPlan.of(finished, List.of(), NOW.plusSeconds(5)).deleteJob())
                .isTrue();
    }

    @Test
    void jobsOfSeveralPodsAreRefusedByName() {
        Job parallel = job().editSpec().withParallelism(2).endSpec().build();

        assertThat(reason(plan(parallel), "Failed")).contains("NotSupported");
    }
}
