package training.lora.operator.plan;

import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import training.lora.api.LoraTraining;
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

    /** For a pod on its node, such as one whose image is large: from then on it is looked at less often. */
    private static final Duration STARTS_SLOWLY = Duration.ofMinutes(10);

    static Attempt of(LoraTraining resource, Observed observed, StageStatus entry) {
        Job named = observed.job(entry.jobName());
        Job job = named != null && Names.owned(named, resource.getMetadata().getUid()) ? named : null;
        String runId = Changes.runId(resource);
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

    /** The same with another entry. */
    Attempt with(StageStatus other) {
        return new Attempt(other, runId, job, pods);
    }

    /**
     * Since when its pod should start; null: it runs, is queued or is over. What the operator noted, or what happened
     * while no operator looked: the Job was let go on, or made another pod.
     */
    @Nullable Instant waitsSince() {
        Instant noted = Times.parse(entry.waitingSince());
        RunPod newest = last(pods.stream());
        return noted == null ? null : latest(noted, resumed(), newest == null ? null : newest.created());
    }

    /**
     * In how many seconds to look again why it does not run: what keeps a pod from starting on its node is told by events,
     * which nobody watches, and most of them come soon after something happened.
     */
    long secondsToLook(Instant now) {
        RunPod alive = alive();
        Instant changed =
                latest(waitsSince(), alive == null ? null : alive.created(), alive == null ? null : alive.placed());
        long age = changed == null ? 0 : Duration.between(changed, now).toSeconds();
        boolean starts = alive != null && alive.node() != null && age < STARTS_SLOWLY.toSeconds();
        return Math.max(4, Math.min(starts ? 10 : 60, age / 4));
    }

    /** Since when its Job may make pods; null: it is not known. */
    @Nullable Instant resumed() {
        return job == null || job.getStatus() == null
                ? null
                : Times.parse(job.getStatus().getStartTime());
    }

    static @Nullable Instant latest(@Nullable Instant... times) {
        return Stream.of(times)
                .filter(Objects::nonNull)
                .max(Comparator.naturalOrder())
                .orElse(null);
    }

    /** The trainer's image that the operator gave to the Job, whatever a webhook made of it; null: the Job is gone. */
    @Nullable String givenImage() {
        Map<String, String> annotations = job == null ? null : job.getMetadata().getAnnotations();
        String given = annotations == null ? null : annotations.get(Changes.IMAGE);
        return given == null ? image() : given;
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
        return Entries.called(entry);
    }
}
