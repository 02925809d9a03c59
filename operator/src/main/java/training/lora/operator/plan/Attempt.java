package training.lora.operator.plan;

import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.api.LoraTraining;
import training.lora.api.LoraTrainingStatus;
import training.lora.api.StageStatus;

/**
 * An attempt that was begun, and what there is of it.
 *
 * @param entry its entry in the status
 * @param runId of the run that it belongs to
 * @param job its Job; null: it is gone, or the name is another owner's
 * @param pods those that the Job made, oldest first
 */
record Attempt(
        StageStatus entry, @Nullable String runId, @Nullable Job job, List<RunPod> pods) {
    private static final Comparator<RunPod> BY_AGE =
            Comparator.comparing(p -> Objects.requireNonNullElse(p.created(), Instant.EPOCH));

    static Attempt of(LoraTraining resource, Observed observed, StageStatus entry) {
        Job named = observed.job(entry.jobName());
        Job job = named != null && Names.owned(named, resource.getMetadata().getUid()) ? named : null;
        LoraTrainingStatus status = resource.getStatus();
        String runId = status == null ? null : status.runId();
        Stream<RunPod> pods = observed.pods().stream()
                .filter(p -> entry.jobName().equals(p.jobName()))
                .filter(p -> job == null
                        ? Objects.equals(p.runId(), runId)
                        : p.jobUid() == null
                                || p.jobUid().equals(job.getMetadata().getUid()));
        return new Attempt(entry, runId, job, pods.sorted(BY_AGE).toList());
    }

    /** The newest pod whose trainer may still write, or null. */
    @Nullable RunPod alive() {
        return last(pods.stream().filter(p -> !p.over()));
    }

    /** The pod whose trainer runs now, or null. */
    @Nullable RunPod running() {
        return last(pods.stream()
                .filter(p -> !p.over() && p.trainer() != null && p.trainer().running()));
    }

    /** The newest pod whose trainer ever ran, or null. */
    @Nullable RunPod ran() {
        return last(pods.stream().filter(p -> p.trainer() != null && p.trainer().startedAt() != null));
    }

    /** The pod that speaks for the attempt once none is alive: the newest that ran, else the newest. */
    @Nullable RunPod lastPod() {
        RunPod ran = ran();
        return ran != null ? ran : last(pods.stream());
    }

    private static @Nullable RunPod last(Stream<RunPod> pods) {
        return pods.reduce((a, b) -> b).orElse(null);
    }

    /** Whether someone else keeps the Job from making pods, as a queue does. */
    boolean suspended() {
        return job != null
                && job.getSpec() != null
                && Boolean.TRUE.equals(job.getSpec().getSuspend());
    }

    /** Since when its pod should start: the Job may make pods, and none of its pods has run since. */
    Instant waitsSince() {
        Instant since = Objects.requireNonNullElse(Times.parse(entry.startTime()), Instant.EPOCH);
        Instant resumed = job == null || job.getStatus() == null
                ? null
                : Times.parse(job.getStatus().getStartTime());
        RunPod ran = ran();
        Instant ended =
                ran == null || ran.trainer() == null ? null : ran.trainer().finishedAt();
        return Stream.of(since, resumed, ended)
                .filter(Objects::nonNull)
                .max(Comparator.naturalOrder())
                .orElse(since);
    }

    /** The trainer's image in the Job, if that is there. */
    @Nullable String image() {
        if (job == null || job.getSpec() == null || job.getSpec().getTemplate() == null) {
            return null;
        }
        return job.getSpec().getTemplate().getSpec().getContainers().stream()
                .filter(c -> StageJob.CONTAINER.equals(c.getName()))
                .map(Container::getImage)
                .findFirst()
                .orElse(null);
    }

    @Override
    public String toString() {
        return "%s, attempt %d".formatted(entry.name(), entry.attempt());
    }
}
