package training.lora.operator.plan;

import com.fasterxml.jackson.core.JsonProcessingException;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.api.model.batch.v1.JobCondition;
import io.soabase.recordbuilder.core.RecordBuilder;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.api.Checkpoint;
import training.lora.api.Json;
import training.lora.api.Outcome;
import training.lora.api.Reason;
import training.lora.api.SavedState;
import training.lora.api.StageResult;

/**
 * How an attempt ended: told by its trainer's container as soon as that ends, else by its Job.
 *
 * @param outcome success or failure
 * @param reason of a failure
 * @param message a sentence
 * @param result what the trainer wrote
 * @param ending whose doing a failure is
 */
@RecordBuilder
record StageEnd(
        Outcome outcome,
        @Nullable Reason reason,
        @Nullable String message,
        @Nullable StageResult result,
        Ending ending) {
    /** The beginning of a path in the pod's workspace, and no part of another path or uri. */
    private static final Pattern IN_POD = Pattern.compile("(?<![\\w./:-])" + PodVolumes.WORKSPACE + "/");

    /** Whose doing the end of an attempt is, which decides whether it is held against {@code spec.retries}. */
    enum Ending {
        /** The attempt's own. */
        OWN,
        /** The trainer was told to end: no failure if it came further than the attempt before. */
        TOLD,
        /** Someone deleted the pod: no failure. */
        DELETED
    }

    /** Whether Kubernetes is done with the Job and all of its pods. */
    static boolean finished(Job job) {
        return condition(job, "Complete") != null || condition(job, "Failed") != null;
    }

    /** Whether it stands how the Job ends, though its pods may still be ending. */
    private static boolean decided(Job job) {
        return finished(job) || condition(job, "SuccessCriteriaMet") != null || condition(job, "FailureTarget") != null;
    }

    /**
     * How {@code attempt} ended, or null while one of its trainers may still write or another pod may follow.
     *
     * @param workspace where people find what the trainer has in {@link PodVolumes#WORKSPACE}, which its message names
     */
    static @Nullable StageEnd of(Attempt attempt, String workspace) {
        StageEnd end = of(attempt);
        return end == null || end.message() == null
                ? end
                : StageEndBuilder.builder(end)
                        .message(IN_POD.matcher(end.message()).replaceAll(Matcher.quoteReplacement(workspace)))
                        .build();
    }

    private static @Nullable StageEnd of(Attempt attempt) {
        if (attempt.alive() != null) {
            return null;
        }
        RunPod pod = attempt.lastPod();
        ContainerView trainer = pod == null ? null : pod.trainer();
        Job job = attempt.job();
        if (job == null) {
            boolean spoke = pod != null && trainer != null && trainer.ended() && pod.deletionTime() == null;
            StageEnd end = pod == null ? null : PodEnd.of(attempt, pod);
            return end != null && (spoke || end.outcome() == Outcome.Succeeded)
                    ? end
                    : failure(
                            Reason.JobLost,
                            "the Job " + attempt.entry().jobName() + " was deleted while it ran",
                            Ending.OWN);
        }
        if (decided(job)) {
            return decidedBy(attempt, job, pod);
        }
        boolean own = trainer != null
                && trainer.ended()
                && !attempt.suspended()
                && (Objects.equals(trainer.exitCode(), 0)
                        || !Objects.requireNonNull(pod).disrupted());
        return own ? PodEnd.of(attempt, Objects.requireNonNull(pod)) : null;
    }

    private static StageEnd decidedBy(Attempt attempt, Job job, @Nullable RunPod pod) {
        JobCondition failed =
                condition(job, "Failed") != null ? condition(job, "Failed") : condition(job, "FailureTarget");
        StageEnd end = pod == null ? null : PodEnd.of(attempt, pod);
        if (failed != null && "DeadlineExceeded".equals(failed.getReason())) {
            // Not ours: the operator sets no deadline on a Job, so it is the platform's way to end whatever takes long.
            if (end == null || end.outcome() == Outcome.Failed) {
                return failure(Reason.Preempted, "the Job's own deadline passed: " + said(failed), Ending.TOLD)
                        .with(end == null ? null : end.result());
            }
            return end;
        }
        if (end != null) {
            return end;
        }
        if (failed == null) {
            return failure(
                    Reason.Preempted,
                    "the Job is complete, but its pod was deleted before its result was read",
                    Ending.DELETED);
        }
        if ("PodFailurePolicy".equals(failed.getReason())) {
            return failure(Reason.PodFailed, "the Job failed: " + said(failed), Ending.OWN);
        }
        return failure(
                Reason.Preempted,
                "the Job failed (%s), and its pod was deleted".formatted(said(failed)),
                Ending.DELETED);
    }

    private static String said(JobCondition condition) {
        return Objects.requireNonNullElse(
                condition.getMessage(), Objects.requireNonNullElse(condition.getReason(), ""));
    }

    static StageEnd failure(Reason reason, String message, Ending ending) {
        return new StageEnd(Outcome.Failed, reason, message, null, ending);
    }

    StageEnd with(@Nullable StageResult wrote) {
        return new StageEnd(outcome, reason, message, wrote, ending);
    }

    /** What the trainer wrote, if it is of this attempt; a failure may have come before the run was known. */
    static @Nullable StageResult parse(@Nullable String message, Attempt attempt) {
        if (message == null || message.isBlank()) {
            return null;
        }
        try {
            StageResult result = Json.MAPPER.readValue(message, StageResult.class);
            if (result == null || !isComplete(result)) {
                return null;
            }
            boolean ours = StageResult.VERSION.equals(result.version())
                    && attempt.entry().name() == result.stage()
                    && attempt.entry().attempt().equals(result.attempt());
            boolean known = Objects.equals(attempt.runId(), result.runId())
                    || (result.outcome() == Outcome.Failed && "".equals(result.runId()));
            return ours && known ? result : null;
        } catch (JsonProcessingException e) {
            // The exit code speaks for a message that was cut or never was a result.
            return null;
        }
    }

    /** Whether all is there that the status takes from it. */
    private static boolean isComplete(StageResult result) {
        List<Checkpoint> checkpoints = new ArrayList<>(result.checkpoints());
        Stream.of(result.base(), result.best()).filter(Objects::nonNull).forEach(checkpoints::add);
        SavedState saved = result.saved();
        return result.outcome() != null
                && (saved == null || (saved.step() != null && saved.time() != null))
                && checkpoints.stream().allMatch(StageEnd::isComplete)
                && result.checkpoints().stream()
                                .map(Checkpoint::step)
                                .distinct()
                                .count()
                        == result.checkpoints().size()
                && result.artifacts().stream().allMatch(a -> a.name() != null && a.uri() != null);
    }

    private static boolean isComplete(Checkpoint checkpoint) {
        return checkpoint.step() != null
                && checkpoint.metrics().stream().allMatch(m -> m.name() != null && m.value() != null);
    }

    private static @Nullable JobCondition condition(Job job, String type) {
        List<JobCondition> conditions =
                job.getStatus() == null ? List.of() : job.getStatus().getConditions();
        return conditions.stream()
                .filter(c -> type.equals(c.getType()) && "True".equals(c.getStatus()))
                .findFirst()
                .orElse(null);
    }
}
