package training.lora.operator.plan;

import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.api.LoraTraining;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.LoraTrainingStatus;
import training.lora.api.Outcome;
import training.lora.api.Reason;
import training.lora.api.RunSpec;
import training.lora.api.SpecValidator;
import training.lora.api.Stage;
import training.lora.api.StageStatus;

/**
 * What happens next to a run. A stage's Job is created before its entry is written, and its outcome is written before
 * the Job is deleted: so an entry without outcome whose Job is gone means that someone else deleted it, and a Job
 * without entry means that the operator stopped between the two writes. No attempt is made twice, since the next
 * attempt's number follows from the entry.
 */
public final class Plan {
    private static final String SUSPENDED = "`spec.suspend` is true";
    private static final String RECONCILING = "Reconciling";
    private static final String STARTING = "Starting";

    private final LoraTraining resource;
    private final Observed observed;
    private final RunJobs jobs;
    private final Settings settings;
    private final Instant now;
    private final LoraTrainingStatus old;
    private final StatusDraft draft;
    private final List<Action> creations = new ArrayList<>();
    private final List<Action> afterwards = new ArrayList<>();
    private @Nullable Instant wakeAt;
    private boolean again;
    /** The next attempt need not wait: what ended the last one is no reason to. */
    private boolean atOnce;

    private Plan(LoraTraining resource, Observed observed, Settings settings, Instant now) {
        this.resource = resource;
        this.observed = observed;
        this.jobs = RunJobs.of(resource, observed);
        this.settings = settings;
        this.now = now;
        old = StatusDraft.old(resource);
        draft = new StatusDraft(resource, old, now);
    }

    /** The plan for {@code resource}, given what was observed after it was read. */
    public static PlanResult of(LoraTraining resource, Observed observed, Settings settings, Instant now) {
        Plan plan = new Plan(resource, observed, settings, now);
        if (resource.getMetadata().getDeletionTimestamp() == null) {
            plan.decide();
        }
        return plan.result();
    }

    private PlanResult result() {
        if (resource.getMetadata().getDeletionTimestamp() != null) {
            return new PlanResult(List.of(), old, null, false);
        }
        LoraTrainingStatus status = draft.build();
        List<Action> actions = new ArrayList<>(creations);
        if (!status.equals(old)) {
            actions.add(new Action.WriteStatus(status));
        }
        actions.addAll(afterwards);
        Duration reschedule = wakeAt == null ? null : Duration.between(now, wakeAt);
        if (reschedule != null && reschedule.toMillis() < 1000) {
            reschedule = Duration.ofSeconds(1);
        }
        return new PlanResult(actions, status, reschedule, again);
    }

    private void decide() {
        if (Changes.reopens(resource, old)) {
            draft.forgive();
            atOnce = true;
        } else if (Finished.is(old)) {
            deleteSettledJobs();
            deleteExpiredJobs();
            return;
        }
        LoraTrainingSpec spec = resource.getSpec();
        List<String> problems = new ArrayList<>();
        if (spec == null) {
            problems.add("`spec` must be given");
        } else {
            problems.addAll(SpecValidator.problems(spec));
            problems.addAll(PodTemplates.problems(spec, settings.pods()));
        }
        if (spec == null || !problems.isEmpty()) {
            fail(Reason.InvalidConfiguration, String.join("; ", problems));
            return;
        }
        boolean anew = old.runId() == null || Changes.unseen(resource, old);
        boolean waits = spec.suspend() && old.stages().isEmpty();
        if (!Changes.started(old) && anew && !waits) {
            draft.runId(RunSpec.of(
                            resource.getMetadata().getNamespace(),
                            resource.getMetadata().getName(),
                            spec)
                    .runId());
            if (old.stages().isEmpty()) {
                // In a write of its own, which is refused if the resource was written since it was read.
                draft.state(Stage.Prepare.name(), List.of(RECONCILING), STARTING, "the run begins");
                again = true;
                return;
            }
        }
        proceed();
    }

    private void proceed() {
        Stage stage = currentStage();
        if (stage == null) {
            complete("every stage is done");
            return;
        }
        StageStatus entry = draft.stage(stage);
        if (entry == null || entry.outcome() != null) {
            entry = adopted(stage, entry);
        }
        if (entry != null && entry.outcome() == null) {
            running(entry);
        } else if (resource.getSpec().suspend()) {
            draft.state("Suspended", List.of("Suspended"), "Suspended", SUSPENDED);
        } else if (!deadlinePassed(stage)) {
            start(stage, entry);
        }
        deleteSettledJobs();
        afterwards.addAll(jobs.prune(draft.build().stages()));
    }

    private @Nullable Stage currentStage() {
        for (Stage stage : Stage.values()) {
            StageStatus entry = draft.stage(stage);
            boolean wanted =
                    stage != Stage.Evaluate || resource.getSpec().evaluation().enabled();
            if (wanted && (entry == null || entry.outcome() != Outcome.Succeeded)) {
                return stage;
            }
        }
        return null;
    }

    /** The entry of a Job that was created before the operator stopped and could write it. */
    private @Nullable StageStatus adopted(Stage stage, @Nullable StageStatus entry) {
        StageStatus next = Entries.next(resource, stage, entry, now);
        Job job = observed.job(next.jobName());
        if (job == null || !Names.owned(job, resource.getMetadata().getUid())) {
            return entry;
        }
        String created = job.getMetadata().getCreationTimestamp();
        StageStatus found = created == null ? next : Entries.next(resource, stage, entry, Instant.parse(created));
        draft.stage(found);
        return found;
    }

    private void running(StageStatus noted) {
        Attempt attempt = Attempt.of(resource, observed, noted);
        StageEnd end = StageEnd.of(attempt);
        StageStatus entry = Entries.timed(draft, attempt, end != null, now);
        if (outdated(attempt)) {
            supersede(attempt, entry);
            return;
        }
        RunPod ran = attempt.ran();
        if (ran != null && ran.trainer() != null && ran.trainer().startedAt() != null) {
            draft.started(ran.trainer().startedAt(), attempt.image());
        }
        draft.stage(entry);
        if (end != null) {
            ended(attempt, entry, end);
        } else if (resource.getSpec().suspend()) {
            Entries.stopped(draft, entry, now);
            draft.stage(Entries.ended(entry, Outcome.Failed, Reason.Preempted, SUSPENDED, now));
            draft.state("Suspended", List.of("Suspended"), "Suspended", SUSPENDED);
            event(entry, false, "Suspended", "%s is suspended".formatted(entry.name()));
        } else if (!deadlinePassed(entry.name())) {
            going(attempt, entry);
        }
    }

    /** A Job that was made for an earlier spec and has not run, or in a run that no container had begun. */
    private boolean outdated(Attempt attempt) {
        Job job = attempt.job();
        String runId = draft.runId();
        if (job == null || runId == null || (Changes.started(old) && attempt.ran() != null)) {
            return false;
        }
        Startup startup = Startup.of(resource, attempt, observed, now);
        boolean otherImage = startup != null && startup.ofImage() && !Objects.equals(attempt.image(), image());
        return otherImage || Changes.outdated(job, job(runId, attempt.entry()));
    }

    private void supersede(Attempt attempt, StageStatus entry) {
        String message = "the spec was changed before it began to run";
        draft.stage(Entries.ended(entry, Outcome.Failed, Reason.Superseded, message, now));
        event(entry, false, "Superseded", attempt + ": " + message + "; another Job is made");
        if (resource.getSpec().suspend()) {
            draft.state("Suspended", List.of("Suspended"), "Suspended", SUSPENDED);
        } else {
            draft.state(entry.name().name(), List.of(RECONCILING), STARTING, attempt + ": " + message);
            wake(now.plusSeconds(2));
        }
    }

    /** Neither ended nor to be ended: says whether it runs, and if not, why. */
    private void going(Attempt attempt, StageStatus entry) {
        Startup seen = Startup.of(resource, attempt, observed, now);
        if (seen == null) {
            draft.state(
                    entry.name().name(),
                    List.of(RECONCILING),
                    "Running",
                    "%s runs, attempt %d".formatted(entry.name(), entry.attempt()));
            wake(Deadlines.active(resource, draft));
            return;
        }
        Startup startup = seen.or(StatusDraft.condition(old, RECONCILING), subject(entry));
        if (startsTooLate(attempt, entry, startup)) {
            return;
        }
        waiting(entry, startup);
        Duration age = Duration.between(attempt.waitsSince(), now);
        wake(now.plusSeconds(Math.max(4, Math.min(60, age.toSeconds() / 4))));
    }

    private static String subject(StageStatus entry) {
        return "%s, attempt %d: ".formatted(entry.name(), entry.attempt());
    }

    private boolean startsTooLate(Attempt attempt, StageStatus entry, Startup startup) {
        Instant due = Deadlines.start(resource, attempt);
        if (due == null || now.isBefore(due)) {
            wake(due);
            return false;
        }
        String message = "`spec.startDeadlineSeconds` (%d) have passed, and %s has not started: %s: %s"
                .formatted(resource.getSpec().startDeadlineSeconds(), attempt, startup.reason(), startup.message());
        draft.stage(Entries.ended(entry, Outcome.Failed, Reason.DeadlineExceeded, message, now));
        fail(Reason.DeadlineExceeded, message);
        return true;
    }

    /** Says what the run waits for, and tells it once for each reason. */
    private void waiting(StageStatus entry, Startup startup) {
        Condition before = StatusDraft.condition(old, RECONCILING);
        boolean known = before != null && startup.reason().equals(before.getReason());
        String message = subject(entry) + startup.message();
        // The kubelet says why a pull failed and that it will try again in turns.
        boolean less = known && startup.ofImage() && startup.message().contains("Back-off");
        draft.state(
                entry.name().name(),
                List.of(RECONCILING),
                startup.reason(),
                less && before != null ? before.getMessage() : message);
        if (startup.warning() && !known) {
            event(entry, true, startup.reason(), message);
        }
    }

    private void ended(Attempt attempt, StageStatus entry, StageEnd end) {
        if (end.result() != null) {
            String folder = Names.subPath(resource);
            String root = "pvc://" + Names.claim(resource) + "/" + (folder == null ? "" : folder + "/");
            draft.take(end.result(), root, Objects.requireNonNullElse(attempt.image(), image()));
        }
        if (end.outcome() == Outcome.Failed && end.reason() != null) {
            failed(entry, end);
            return;
        }
        draft.started(Objects.requireNonNullElse(Times.parse(entry.startTime()), now), attempt.image());
        draft.stage(Entries.ended(entry, Outcome.Succeeded, null, end.message(), now));
        event(entry, false, "StageSucceeded", "%s succeeded".formatted(entry.name()));
        if (end.result() != null && end.result().alreadyComplete()) {
            String note = end.result().message();
            complete("the output holds this run's finished result already" + (note == null ? "" : ": " + note));
        } else {
            again = true;
        }
    }

    /** Records a failure and, in the same write, whether the run goes on. */
    private void failed(StageStatus entry, StageEnd end) {
        StageStatus ended = Entries.failed(entry, end, old.progress(), now);
        draft.stage(ended);
        Reason reason = Objects.requireNonNull(ended.reason());
        String sentence = "%s, attempt %d: %s".formatted(entry.name(), entry.attempt(), ended.message());
        if (!reason.retriable() || ended.failures() > resource.getSpec().retries()) {
            fail(reason, sentence);
            return;
        }
        boolean failure = ended.failures() > entry.failures();
        event(entry, true, failure ? "StageFailed" : "StageInterrupted", sentence + "; it is tried again");
        draft.state(entry.name().name(), List.of(RECONCILING), "Retrying", sentence);
        wake(Entries.due(ended, settings));
    }

    private void start(Stage stage, @Nullable StageStatus entry) {
        Instant due = StatusDraft.isTrue(old, "Suspended") || atOnce ? null : Entries.due(entry, settings);
        if (due != null && now.isBefore(due)) {
            wake(due);
            return;
        }
        String runId = Objects.requireNonNull(draft.runId());
        StageStatus begun = Entries.next(resource, stage, entry, now);
        Startup busy = jobs.busy(draft.build().stages(), now);
        if (busy != null) {
            wake(now.plusSeconds(busy.warning() ? 10 : 3));
            waiting(begun, busy);
            return;
        }
        if (resource.getSpec().runtime().workspace().claimName() == null) {
            creations.add(new Action.CreateClaim(Children.workspace(resource, runId)));
        }
        creations.add(new Action.CreateConfigMap(Children.runSpec(resource, runId)));
        creations.add(new Action.CreateJob(job(runId, begun)));
        draft.stage(begun);
        String message = "%s, attempt %d: %s".formatted(stage, begun.attempt(), Startup.made(begun.jobName()));
        draft.state(stage.name(), List.of(RECONCILING), STARTING, message);
        event(begun, false, "StageStarted", message);
        wake(now.plusSeconds(4));
    }

    private Job job(String runId, StageStatus entry) {
        StageAttempt attempt = new StageAttempt(resource, runId, entry.name(), entry.attempt(), image());
        return Changes.marked(StageJob.of(attempt, settings), resource);
    }

    /** The image of the run's next Job. */
    private String image() {
        LoraTrainingStatus status = draft.build();
        return status.startTime() != null && status.image() != null
                ? status.image()
                : StageJob.image(resource, settings);
    }

    private boolean deadlinePassed(Stage stage) {
        if (!Deadlines.activePassed(resource, draft, now)) {
            return false;
        }
        StageStatus entry = draft.stage(stage);
        String message = "the run's containers have run for `spec.activeDeadlineSeconds` (%d): %s"
                .formatted(resource.getSpec().activeDeadlineSeconds(), Entries.where(stage, entry, old.progress()));
        if (entry != null && entry.outcome() == null) {
            Entries.stopped(draft, entry, now);
            draft.stage(Entries.ended(entry, Outcome.Failed, Reason.DeadlineExceeded, message, now));
        }
        fail(Reason.DeadlineExceeded, message);
        return true;
    }

    private void complete(String message) {
        draft.state("Complete", List.of("Complete"), "Complete", message);
        afterwards.add(new Action.Emit("complete", false, "Complete", message));
        wakeAtExpiry();
    }

    private void fail(Reason reason, String message) {
        draft.state("Failed", List.of("Failed", "Stalled"), reason.name(), message);
        draft.limits(
                Changes.started(draft.build()) && resource.getSpec() != null
                        ? Changes.limits(resource.getSpec())
                        : null);
        String key = "failed-" + Changes.hash(message).substring(0, 6);
        afterwards.add(new Action.Emit(key, true, reason.name(), message));
        wakeAtExpiry();
    }

    private void wakeAtExpiry() {
        Integer ttl = resource.getSpec() == null ? null : resource.getSpec().ttlSecondsAfterFinished();
        if (ttl != null) {
            wake(now.plusSeconds(ttl));
        }
    }

    private void deleteSettledJobs() {
        List<StageStatus> stages = draft.build().stages();
        afterwards.addAll(jobs.deleteSettled(stages, now));
        wake(jobs.nextSettled(stages, now));
    }

    private void deleteExpiredJobs() {
        Instant due = Finished.expiry(resource);
        if (due == null) {
            return;
        }
        if (now.isBefore(due)) {
            wake(due);
        } else {
            afterwards.addAll(jobs.deleteAll());
        }
    }

    private void wake(@Nullable Instant at) {
        if (at != null && (wakeAt == null || at.isBefore(wakeAt))) {
            wakeAt = at;
        }
    }

    private void event(StageStatus entry, boolean warning, String reason, String message) {
        afterwards.add(new Action.Emit(
                "%s-%d-%s".formatted(Names.lower(entry.name()), entry.attempt(), reason.toLowerCase(Locale.ROOT)),
                warning,
                reason,
                message));
    }
}
