package training.lora.local.controller;

import io.fabric8.kubernetes.api.model.ContainerStatus;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.api.model.batch.v1.JobCondition;
import io.fabric8.kubernetes.api.model.batch.v1.JobConditionBuilder;
import io.fabric8.kubernetes.api.model.batch.v1.JobSpec;
import io.fabric8.kubernetes.api.model.batch.v1.JobStatus;
import io.fabric8.kubernetes.api.model.batch.v1.JobStatusBuilder;
import io.fabric8.kubernetes.api.model.batch.v1.PodFailurePolicyOnExitCodesRequirement;
import io.fabric8.kubernetes.api.model.batch.v1.PodFailurePolicyRule;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * What a Job needs next, from what is there; it has no client and no clock. The rules are those of Kubernetes' Job
 * controller for Jobs of one pod, but without its finalizer on pods: a pod that someone deletes is replaced, not counted.
 */
final class JobPlan {
    private static final Duration BACKOFF = Duration.ofSeconds(10);
    private static final Duration LONGEST_BACKOFF = Duration.ofMinutes(6);

    private final Job job;
    private final JobSpec spec;
    private final List<Pod> pods;
    private final Instant now;
    private final List<JobCondition> conditions;
    private final JobStatusBuilder status;

    /**
     * What to do.
     *
     * @param status as it shall be
     * @param createPod whether a pod is due
     * @param deletePods names of pods that shall end
     * @param deleteJob whether its time to live is over
     * @param again when to look again though nothing has changed; null: never
     */
    record Next(
            JobStatus status,
            boolean createPod,
            List<String> deletePods,
            boolean deleteJob,
            @Nullable Instant again) {}

    private JobPlan(Job job, List<Pod> pods, Instant now) {
        this.job = job;
        this.spec = job.getSpec();
        this.pods = pods;
        this.now = now;
        JobStatus before = job.getStatus() == null ? new JobStatus() : job.getStatus();
        this.conditions = new ArrayList<>(before.getConditions());
        this.status = new JobStatusBuilder(before);
    }

    /** Plans for {@code job}, whose {@code pods} are all there are. */
    static Next of(Job job, List<Pod> pods, Instant now) {
        return new JobPlan(job, pods, now).next();
    }

    private Next next() {
        List<Pod> active = pods.stream().filter(p -> !ended(p)).toList();
        boolean terminating = active.stream().anyMatch(JobPlan::isDeleted);
        List<String> toDelete = active.stream()
                .filter(p -> !isDeleted(p))
                .map(p -> p.getMetadata().getName())
                .toList();
        if (isTrue("Complete") || isTrue("Failed")) {
            return timeToLive();
        }
        List<Pod> failures =
                pods.stream().filter(p -> phaseIs(p, "Failed") && !isIgnored(p)).toList();
        long succeeded = pods.stream().filter(p -> phaseIs(p, "Succeeded")).count();
        status.withActive(toDelete.size())
                .withTerminating(
                        (int) active.stream().filter(JobPlan::isDeleted).count())
                .withReady(
                        (int) active.stream().filter(p -> phaseIs(p, "Running")).count())
                .withFailed(failures.size())
                .withSucceeded((int) succeeded);
        if (succeeded > 0) {
            set("Complete", "True", "CompletionsReached", "Reached expected number of succeeded pods");
            status.withCompletionTime(now());
            return new Next(build(), false, toDelete, false, now);
        }
        JobCondition failure = failure(failures);
        if (failure != null) {
            boolean stillRuns = !active.isEmpty();
            set(stillRuns ? "FailureTarget" : "Failed", "True", failure.getReason(), failure.getMessage());
            return new Next(build(), false, toDelete, false, stillRuns ? null : now);
        }
        if (Boolean.TRUE.equals(spec.getSuspend())) {
            set("Suspended", "True", "JobSuspended", "Job suspended");
            status.withStartTime(null);
            return new Next(build(), false, toDelete, false, null);
        }
        if (job.getStatus() == null || job.getStatus().getStartTime() == null) {
            status.withStartTime(now());
        }
        if (isTrue("Suspended")) {
            set("Suspended", "False", "JobResumed", "Job resumed");
        }
        Instant deadline = deadline();
        boolean mayReplace = !terminating || !"Failed".equals(spec.getPodReplacementPolicy());
        if (!toDelete.isEmpty() || !mayReplace) {
            return new Next(build(), false, List.of(), false, deadline);
        }
        Instant due = backoffEnd(failures);
        boolean create = !now.isBefore(due);
        Instant again = create ? deadline : deadline != null && deadline.isBefore(due) ? deadline : due;
        return new Next(build(), create, List.of(), false, again);
    }

    private Next timeToLive() {
        Integer seconds = spec.getTtlSecondsAfterFinished();
        if (seconds == null) {
            return new Next(build(), false, List.of(), false, null);
        }
        Instant end = conditions.stream()
                .filter(c -> c.getType().equals("Complete") || c.getType().equals("Failed"))
                .map(c -> Instant.parse(c.getLastTransitionTime()))
                .max(Comparator.naturalOrder())
                .orElse(now)
                .plusSeconds(seconds);
        boolean over = !now.isBefore(end);
        return new Next(build(), false, List.of(), over, over ? null : end);
    }

    private @Nullable JobCondition failure(List<Pod> failures) {
        JobCondition decided = condition("FailureTarget");
        if (decided != null) {
            return decided;
        }
        for (Integer pods : Arrays.asList(spec.getParallelism(), spec.getCompletions())) {
            if (pods != null && pods != 1) {
                return failed(
                        "NotSupported",
                        "parallelism and completions must be 1 in the embedded cluster, one was " + pods);
            }
        }
        for (Pod pod : failures) {
            List<PodFailurePolicyRule> rules = rules();
            int rule = matchingRule(pod);
            if (rule >= 0 && rules.get(rule).getAction().equals("FailJob")) {
                return failed(
                        "PodFailurePolicy",
                        "Container %s for pod %s/%s failed with exit code %d matching FailJob rule at index %d"
                                .formatted(
                                        pod.getSpec().getContainers().get(0).getName(),
                                        pod.getMetadata().getNamespace(),
                                        pod.getMetadata().getName(),
                                        Objects.requireNonNullElse(exitCode(pod, null), -1),
                                        rule));
            }
        }
        if (failures.size() > Objects.requireNonNullElse(spec.getBackoffLimit(), 6)) {
            return failed("BackoffLimitExceeded", "Job has reached the specified backoff limit");
        }
        Instant deadline = deadline();
        if (deadline != null && !now.isBefore(deadline)) {
            return failed("DeadlineExceeded", "Job was active longer than specified deadline");
        }
        return null;
    }

    private static JobCondition failed(String reason, String message) {
        return new JobConditionBuilder()
                .withType("Failed")
                .withReason(reason)
                .withMessage(message)
                .build();
    }

    private @Nullable Instant deadline() {
        String start = status.getStartTime();
        Long seconds = spec.getActiveDeadlineSeconds();
        return start == null || seconds == null ? null : Instant.parse(start).plusSeconds(seconds);
    }

    /** When the next pod is due: 10 s after a first failure, doubled for each further one, at most 6 minutes. */
    private Instant backoffEnd(List<Pod> failures) {
        Instant last = failures.stream()
                .map(JobPlan::endTime)
                .max(Comparator.naturalOrder())
                .orElse(Instant.MIN);
        if (last.equals(Instant.MIN)) {
            return now;
        }
        Duration delay = BACKOFF.multipliedBy(1L << Math.min(failures.size() - 1, 10));
        return last.plus(delay.compareTo(LONGEST_BACKOFF) < 0 ? delay : LONGEST_BACKOFF);
    }

    private static Instant endTime(Pod pod) {
        return pod.getStatus().getContainerStatuses().stream()
                .map(c -> c.getState().getTerminated())
                .filter(t -> t != null && t.getFinishedAt() != null)
                .map(t -> Instant.parse(t.getFinishedAt()))
                .findFirst()
                .orElse(Instant.parse(pod.getMetadata().getCreationTimestamp()));
    }

    private boolean isIgnored(Pod pod) {
        int rule = matchingRule(pod);
        return rule >= 0 && rules().get(rule).getAction().equals("Ignore");
    }

    private List<PodFailurePolicyRule> rules() {
        return spec.getPodFailurePolicy() == null
                ? List.of()
                : spec.getPodFailurePolicy().getRules();
    }

    /** Index of the first rule that speaks of how the pod failed; -1: none does. */
    private int matchingRule(Pod pod) {
        List<PodFailurePolicyRule> rules = rules();
        for (int i = 0; i < rules.size(); i++) {
            PodFailurePolicyRule rule = rules.get(i);
            boolean byCondition = rule.getOnPodConditions().stream()
                    .anyMatch(wanted -> pod.getStatus().getConditions().stream()
                            .anyMatch(c -> c.getType().equals(wanted.getType())
                                    && c.getStatus().equals(Objects.requireNonNullElse(wanted.getStatus(), "True"))));
            if (byCondition || rule.getOnExitCodes() != null && matches(rule.getOnExitCodes(), pod)) {
                return i;
            }
        }
        return -1;
    }

    private static boolean matches(PodFailurePolicyOnExitCodesRequirement wanted, Pod pod) {
        Integer code = exitCode(pod, wanted.getContainerName());
        return code != null
                && code != 0
                && wanted.getValues().contains(code) == wanted.getOperator().equals("In");
    }

    private static @Nullable Integer exitCode(Pod pod, @Nullable String container) {
        for (ContainerStatus c : pod.getStatus().getContainerStatuses()) {
            if ((container == null || container.equals(c.getName()))
                    && c.getState().getTerminated() != null) {
                return c.getState().getTerminated().getExitCode();
            }
        }
        return null;
    }

    private static boolean ended(Pod pod) {
        return phaseIs(pod, "Succeeded") || phaseIs(pod, "Failed");
    }

    private static boolean phaseIs(Pod pod, String phase) {
        return pod.getStatus() != null && phase.equals(pod.getStatus().getPhase());
    }

    private static boolean isDeleted(Pod pod) {
        return pod.getMetadata().getDeletionTimestamp() != null;
    }

    private @Nullable JobCondition condition(String type) {
        return conditions.stream()
                .filter(c -> c.getType().equals(type))
                .findFirst()
                .orElse(null);
    }

    private boolean isTrue(String type) {
        JobCondition condition = condition(type);
        return condition != null && condition.getStatus().equals("True");
    }

    private void set(String type, String state, String reason, String message) {
        JobCondition before = condition(type);
        if (before != null && before.getStatus().equals(state)) {
            return;
        }
        conditions.remove(before);
        conditions.add(new JobConditionBuilder()
                .withType(type)
                .withStatus(state)
                .withReason(reason)
                .withMessage(message)
                .withLastProbeTime(now())
                .withLastTransitionTime(now())
                .build());
    }

    private String now() {
        return now.truncatedTo(ChronoUnit.SECONDS).toString();
    }

    private JobStatus build() {
        return status.withConditions(conditions).build();
    }
}
