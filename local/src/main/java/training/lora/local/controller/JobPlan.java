package training.lora.local.controller;

import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.api.model.batch.v1.JobConditionBuilder;
import io.fabric8.kubernetes.api.model.batch.v1.JobStatus;
import io.fabric8.kubernetes.api.model.batch.v1.JobStatusBuilder;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;

/**
 * What a Job of one pod and no retries needs next, from what is there; it has no client and no clock. A pod that someone
 * deletes is replaced when it has ended, and is no failure. A podFailurePolicy changes nothing: no pod is disrupted here,
 * and any other failure is the last.
 *
 * @param status as it shall be
 * @param createPod whether a pod is due
 */
record JobPlan(JobStatus status, boolean createPod) {
    /** Plans for {@code job}, whose {@code pods} are all there are. */
    static JobPlan of(Job job, List<Pod> pods, Instant now) {
        JobStatus before = job.getStatus() == null ? new JobStatus() : job.getStatus();
        if (!before.getConditions().isEmpty()) {
            return new JobPlan(before, false);
        }
        String time = now.truncatedTo(ChronoUnit.SECONDS).toString();
        int active = count(pods, "Pending") + count(pods, "Running");
        int failed = count(pods, "Failed");
        int succeeded = count(pods, "Succeeded");
        int deleted = (int) pods.stream().filter(JobPlan::isDeleted).count();
        JobStatusBuilder status = new JobStatusBuilder(before)
                .withStartTime(before.getStartTime() == null ? time : before.getStartTime())
                .withActive(active)
                .withReady(count(pods, "Running"))
                .withTerminating(deleted)
                .withFailed(failed)
                .withSucceeded(succeeded);
        if (succeeded > 0) {
            status.withCompletionTime(time)
                    .addToConditions(condition("Complete", "CompletionsReached", time)
                            .withMessage("Reached expected number of succeeded pods")
                            .build());
        } else if (failed > 0) {
            status.addToConditions(condition("Failed", "BackoffLimitExceeded", time)
                    .withMessage("Job has reached the specified backoff limit")
                    .build());
        }
        return new JobPlan(status.build(), active + deleted + failed + succeeded == 0);
    }

    /** Of those that no one has deleted. */
    private static int count(List<Pod> pods, String phase) {
        return (int) pods.stream()
                .filter(p -> !isDeleted(p) && phase.equals(p.getStatus().getPhase()))
                .count();
    }

    private static boolean isDeleted(Pod pod) {
        return pod.getMetadata().getDeletionTimestamp() != null;
    }

    private static JobConditionBuilder condition(String type, String reason, String time) {
        return new JobConditionBuilder()
                .withType(type)
                .withStatus("True")
                .withReason(reason)
                .withLastProbeTime(time)
                .withLastTransitionTime(time);
    }
}
