package training.lora.operator.plan;

import io.fabric8.kubernetes.api.model.batch.v1.Job;
import java.util.List;
import training.lora.api.LoraTraining;
import training.lora.api.StageStatus;

/**
 * The Jobs of a run that were observed, and which of them are to be deleted.
 *
 * @param all of the run, whatever their stage and attempt
 */
record RunJobs(List<Job> all) {
    /** Those of {@code observed} that {@code resource} owns. */
    static RunJobs of(LoraTraining resource, Observed observed) {
        return new RunJobs(observed.jobs().stream()
                .filter(j -> Names.owned(j, resource.getMetadata().getUid()))
                .toList());
    }

    /** Whether one has a pod that runs or is still ending. */
    boolean anyUnfinished() {
        return all.stream().anyMatch(j -> !StageEnd.finished(j));
    }

    /** Deletions of running Jobs whose attempt has an outcome in {@code stages}: suspended, or over their time. */
    List<Action> deleteSettled(List<StageStatus> stages) {
        return delete(all.stream()
                .filter(job -> !StageEnd.finished(job))
                .filter(job -> stages.stream()
                        .anyMatch(s -> job.getMetadata().getName().equals(s.jobName()) && s.outcome() != null))
                .toList());
    }

    /** Deletions of all. */
    List<Action> deleteAll() {
        return delete(all);
    }

    private static List<Action> delete(List<Job> jobs) {
        return jobs.stream()
                .filter(job -> job.getMetadata().getDeletionTimestamp() == null)
                .<Action>map(job -> new Action.DeleteJob(
                        job.getMetadata().getName(), job.getMetadata().getUid()))
                .toList();
    }
}
