package training.lora.operator.plan;

import io.fabric8.kubernetes.api.model.Condition;
import java.time.Instant;
import java.util.List;
import training.lora.api.LoraTraining;
import training.lora.api.Reason;
import training.lora.api.Stage;
import training.lora.api.StageStatus;

/** How a run ends, and what becomes of its Jobs then. */
final class RunEnd {
    /** In seconds, when what a failed run uses is looked at again. */
    private static final long SOONEST = 10;

    private static final long LATEST = 300;

    private final LoraTraining resource;
    private final RunJobs jobs;
    private final StatusDraft draft;
    private final Agenda agenda;
    private final Instant now;

    RunEnd(LoraTraining resource, RunJobs jobs, StatusDraft draft, Agenda agenda, Instant now) {
        this.resource = resource;
        this.jobs = jobs;
        this.draft = draft;
        this.agenda = agenda;
        this.now = now;
    }

    void complete(String message) {
        draft.state("Complete", List.of("Complete"), "Complete", message);
        agenda.tell("complete", false, "Complete", message);
        wakeAtExpiry();
    }

    void fail(Reason reason, String message) {
        draft.state("Failed", List.of("Failed", "Stalled"), reason.name(), message);
        draft.limits(
                Changes.started(draft.build()) && resource.getSpec() != null
                        ? Changes.limits(resource.getSpec())
                        : null);
        if (resource.getSpec() != null
                && !References.of(resource.getSpec(), Stage.Prepare).isEmpty()) {
            agenda.wake(now.plusSeconds(SOONEST));
        }
        agenda.tell("failed-" + Changes.shortHash(message), true, reason.name(), message);
        wakeAtExpiry();
    }

    private void wakeAtExpiry() {
        Integer ttl = resource.getSpec() == null ? null : resource.getSpec().ttlSecondsAfterFinished();
        if (ttl != null) {
            agenda.wake(now.plusSeconds(ttl));
        }
    }

    /** Deletes Jobs of attempts that were ended while they could go on. */
    void deleteSettledJobs() {
        List<StageStatus> stages = draft.build().stages();
        agenda.then(jobs.deleteSettled(stages, now));
        agenda.wake(jobs.nextSettled(stages, now));
    }

    /** A Secret may be mended that the run failed by, and nobody watches Secrets. */
    void awaitReferences(Observed observed) {
        Condition failed = StatusDraft.condition(StatusDraft.old(resource), "Failed");
        if (failed != null && !observed.references().isEmpty()) {
            agenda.wake(now.plusSeconds(Permission.pause(failed, now, SOONEST, LATEST)));
        }
    }

    /** Deletes all Jobs once the run is finished for as long as its spec says. */
    void deleteExpiredJobs() {
        Instant due = Finished.expiry(resource);
        if (due == null) {
            return;
        }
        if (now.isBefore(due)) {
            agenda.wake(due);
        } else {
            agenda.then(jobs.deleteAll());
        }
    }
}
