package training.lora.local.controller;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.api.model.batch.v1.JobBuilder;
import io.fabric8.kubernetes.api.model.batch.v1.JobCondition;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;

class JobPlanTest {
    private static final Instant NOW = Instant.parse("2026-01-01T00:10:00Z");

    private static Pod pod(String phase) {
        return new PodBuilder()
                .withNewMetadata()
                .endMetadata()
                .withNewStatus()
                .withPhase(phase)
                .endStatus()
                .build();
    }

    private static Pod deleted(String phase) {
        return new PodBuilder(pod(phase))
                .editMetadata()
                .withDeletionTimestamp(NOW.toString())
                .endMetadata()
                .build();
    }

    private static JobPlan plan(Pod... pods) {
        return JobPlan.of(new Job(), List.of(pods), NOW);
    }

    @Test
    void newJobGetsAPodAndAStartTime() {
        assertThat(plan().createPod()).isTrue();
        assertThat(plan().status().getStartTime()).isEqualTo(NOW.toString());
    }

    @Test
    void runningPodIsLeftAlone() {
        JobPlan plan = plan(pod("Running"));

        assertThat(plan.createPod()).isFalse();
        assertThat(plan.status().getActive()).isOne();
        assertThat(plan.status().getReady()).isOne();
        assertThat(plan.status().getConditions()).isEmpty();
    }

    @Test
    void endOfThePodIsTheEndOfTheJob() {
        JobPlan succeeded = plan(pod("Succeeded"));
        JobPlan failed = plan(pod("Failed"));

        assertThat(succeeded.status().getConditions())
                .extracting(JobCondition::getType)
                .containsExactly("Complete");
        assertThat(succeeded.status().getCompletionTime()).isEqualTo(NOW.toString());
        assertThat(failed.status().getConditions())
                .extracting(JobCondition::getReason)
                .containsExactly("BackoffLimitExceeded");
        assertThat(succeeded.createPod() || failed.createPod()).isFalse();
    }

    @Test
    void finishedJobStaysAsItIs() {
        Job finished = new JobBuilder().withStatus(plan(pod("Failed")).status()).build();

        JobPlan plan = JobPlan.of(finished, List.of(), NOW.plusSeconds(60));

        assertThat(plan.createPod()).isFalse();
        assertThat(plan.status()).isEqualTo(finished.getStatus());
    }

    @Test
    void deletedPodIsNoFailureAndReplacedWhenItIsGone() {
        JobPlan plan = plan(deleted("Failed"));

        assertThat(plan.createPod()).isFalse();
        assertThat(plan.status().getConditions()).isEmpty();
        assertThat(plan.status().getTerminating()).isOne();
        assertThat(plan().createPod()).isTrue();
    }
}
