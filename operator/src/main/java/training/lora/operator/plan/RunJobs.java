package training.lora.operator.plan;

import io.fabric8.kubernetes.api.model.batch.v1.Job;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.api.LoraTraining;
import training.lora.api.Stage;
import training.lora.api.StageStatus;

/**
 * The Jobs of a run that were observed, and which of them are to be deleted.
 *
 * @param resource whose
 * @param all of the run, whatever their stage and attempt
 * @param others Jobs of another resource that had the same name
 * @param observed what they are of
 */
record RunJobs(LoraTraining resource, List<Job> all, List<Job> others, Observed observed) {
    /** How many Jobs of a stage are kept for people to look at. */
    private static final int KEPT = 3;
    /** For a Job to be finished after its trainer has ended; one with another container that goes on never is. */
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    static RunJobs of(LoraTraining resource, Observed observed) {
        String uid = resource.getMetadata().getUid();
        return new RunJobs(
                resource,
                observed.jobs().stream().filter(j -> Names.owned(j, uid)).toList(),
                observed.jobs().stream().filter(j -> !Names.owned(j, uid)).toList(),
                observed);
    }

    /**
     * What keeps the next attempt from starting, since two trainers must not share a workspace: pods, whoever owns them,
     * and Jobs that may still make one. Null: nothing.
     */
    @Nullable Startup busy(List<StageStatus> stages, Instant now) {
        Startup pod = Startup.busy(observed.pods(), observed, now);
        if (pod != null) {
            return pod;
        }
        for (Job job : all) {
            if (!StageEnd.finished(job) && !ended(job, stages)) {
                return new Startup("JobEnding", "the Job %s is not gone yet".formatted(name(job)), false);
            }
        }
        for (Job job : others) {
            if (!StageEnd.finished(job)) {
                return new Startup(
                        "WaitingForNamesake",
                        "the Job %s is of another LoraTraining that had this name; the run waits for it to go"
                                .formatted(name(job)),
                        false);
            }
        }
        return null;
    }

    /** Whether its trainer has ended of itself, so that it makes no other pod. */
    private boolean ended(Job job, List<StageStatus> stages) {
        StageStatus entry = entry(job, stages);
        return entry != null && job.getMetadata().getDeletionTimestamp() == null && ownEnd(entry);
    }

    /** Whether the trainer ended by itself. */
    private boolean ownEnd(StageStatus entry) {
        Attempt attempt = Attempt.of(resource, observed, entry);
        RunPod pod = attempt.alive() == null ? attempt.lastPod() : null;
        ContainerView trainer = pod == null ? null : pod.trainer();
        return trainer != null
                && trainer.ended()
                && !attempt.suspended()
                && (Objects.equals(trainer.exitCode(), 0)
                        || !Objects.requireNonNull(pod).disrupted());
    }

    /**
     * Deletions of unfinished Jobs whose attempt has an outcome in {@code stages}: suspended, replaced, over their time, or
     * with a container beside the trainer that does not end.
     */
    List<Action> deleteSettled(List<StageStatus> stages, Instant now) {
        List<Job> settled = new ArrayList<>();
        for (Job job : all) {
            StageStatus entry = entry(job, stages);
            if (entry != null && entry.outcome() != null && !StageEnd.finished(job)) {
                Instant end = Times.parse(entry.completionTime());
                if (end == null || !ownEnd(entry) || now.isAfter(end.plus(PATIENCE))) {
                    settled.add(job);
                }
            }
        }
        return delete(settled);
    }

    /** When there may be something to delete by {@link #deleteSettled}; null: not for now. */
    @Nullable Instant nextSettled(List<StageStatus> stages, Instant now) {
        boolean waits = all.stream().anyMatch(job -> {
            StageStatus entry = entry(job, stages);
            return entry != null && entry.outcome() != null && !StageEnd.finished(job);
        });
        return waits ? now.plus(PATIENCE).plusSeconds(1) : null;
    }

    /** Deletions of finished Jobs of attempts long past, whose outcome does not matter any more. */
    List<Action> prune(List<StageStatus> stages) {
        return delete(all.stream()
                .filter(StageEnd::finished)
                .filter(j -> old(j, stages))
                .toList());
    }

    private boolean old(Job job, List<StageStatus> stages) {
        for (StageStatus entry : stages) {
            String prefix = prefix(entry.name());
            if (name(job).startsWith(prefix)) {
                try {
                    return Integer.parseInt(name(job).substring(prefix.length())) <= entry.attempt() - KEPT;
                } catch (NumberFormatException e) {
                    return false;
                }
            }
        }
        return false;
    }

    private String prefix(Stage stage) {
        return resource.getMetadata().getName() + "-" + Names.lower(stage) + "-";
    }

    /** Deletions of all. */
    List<Action> deleteAll() {
        return delete(all);
    }

    private static @Nullable StageStatus entry(Job job, List<StageStatus> stages) {
        return stages.stream()
                .filter(s -> name(job).equals(s.jobName()))
                .findFirst()
                .orElse(null);
    }

    private static String name(Job job) {
        return job.getMetadata().getName();
    }

    private static List<Action> delete(List<Job> jobs) {
        return jobs.stream()
                .filter(job -> job.getMetadata().getDeletionTimestamp() == null)
                .<Action>map(job -> new Action.DeleteJob(
                        job.getMetadata().getName(), job.getMetadata().getUid()))
                .toList();
    }
}
