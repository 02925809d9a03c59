package training.lora.operator.plan;

import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.api.LoraTraining;
import training.lora.api.LoraTrainingStatus;
import training.lora.api.Outcome;
import training.lora.api.Reason;
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
    private static final String RESUMING = "Resuming";

    private final LoraTraining resource;
    private final Observed observed;
    private final RunJobs jobs;
    private final Settings settings;
    private final Instant now;
    private final LoraTrainingStatus old;
    private final StatusDraft draft;
    private final Agenda agenda;
    private final RunEnd end;
    private final SpecProblems problems;
    private final Permission permission;
    private final Review review;

    private Plan(LoraTraining resource, Observed observed, Settings settings, Instant now) {
        this.resource = resource;
        this.observed = observed;
        this.jobs = RunJobs.of(resource, observed);
        this.settings = settings;
        this.now = now;
        old = StatusDraft.old(resource);
        draft = new StatusDraft(resource, old, now);
        agenda = new Agenda(now);
        end = new RunEnd(resource, jobs, draft, agenda, now);
        problems = new SpecProblems(resource, settings, draft, agenda, end);
        permission = new Permission(resource, observed, draft, agenda, now);
        review = new Review(resource, draft, agenda, now);
    }

    /** The plan for {@code resource}, given what was observed after it was read. */
    public static PlanResult of(LoraTraining resource, Observed observed, Settings settings, Instant now) {
        Plan plan = new Plan(resource, observed, settings, now);
        if (resource.getMetadata().getDeletionTimestamp() != null) {
            return new PlanResult(List.of(), plan.old, null, false);
        }
        plan.decide();
        return plan.agenda.result(plan.old, plan.draft.build());
    }

    private void decide() {
        String reopened = reopened();
        if (reopened == null && Finished.is(old)) {
            end.deleteSettledJobs();
            end.deleteExpiredJobs();
            end.awaitReferences(observed);
            return;
        }
        boolean begun = !old.stages().isEmpty() || !jobs.all().isEmpty();
        if (resource.getSpec() == null || (problems.any() && !begun)) {
            end.fail(Reason.InvalidConfiguration, problems.sentence());
            return;
        }
        boolean takes = !problems.any() || Changes.started(old);
        if (!takes || !takeCorrection(reopened)) {
            proceed();
        }
    }

    /** What was changed since the run failed, so that it goes on; null: nothing. */
    private @Nullable String reopened() {
        if (Changes.reopens(resource, old)) {
            return "the spec was changed";
        }
        return References.changed(resource, old, observed)
                ? "a Secret or service account that it uses was changed"
                : null;
    }

    /**
     * Takes what was changed, in a write of its own: it is refused if the resource was written since it was read, and
     * nothing that is refused later can lose it. False: there is nothing to take.
     */
    private boolean takeCorrection(@Nullable String reopened) {
        String runId = Changes.newRunId(resource, old);
        if (runId != null) {
            draft.runId(runId);
        }
        if (reopened != null) {
            draft.forgive();
            Stage stage = Objects.requireNonNullElse(currentStage(), Stage.Evaluate);
            draft.state(stage.name(), List.of(RECONCILING), RESUMING, reopened + ", so the run goes on");
        } else if (runId != null && old.stages().isEmpty()) {
            draft.state(Stage.Prepare.name(), List.of(RECONCILING), STARTING, "the run begins");
        }
        // A run that is seen for the first time has nothing to lose, and its first Job is created without waiting for a
        // write.
        if ((runId == null || Changes.isNew(old)) && reopened == null) {
            return false;
        }
        agenda.again();
        return true;
    }

    private void proceed() {
        Stage stage = currentStage();
        if (stage == null) {
            String early = old.stoppedEarly();
            end.complete("every stage is done" + (early == null ? "" : "; the training ended early: " + early));
            return;
        }
        StageStatus entry = draft.stage(stage);
        if (entry == null || entry.outcome() != null) {
            entry = adopted(stage, entry);
        }
        if (entry != null && entry.outcome() == null) {
            running(entry);
            problems.refuseNext(stage);
        } else if (resource.getSpec().suspend()) {
            draft.state("Suspended", List.of("Suspended"), "Suspended", SUSPENDED);
        } else if (problems.any()) {
            problems.refuse(stage);
        } else if (!review.awaits(stage, entry) && !deadlinePassed(stage, null)) {
            start(stage, entry);
        }
        end.deleteSettledJobs();
        agenda.then(jobs.prune(draft.build().stages()));
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
        StageStatus found = Entries.with(
                created == null ? next : Entries.next(resource, stage, entry, Instant.parse(created)),
                References.versions(job));
        draft.stage(found);
        tellStarted(found);
        return found;
    }

    private void tellStarted(StageStatus entry) {
        agenda.tell(entry, false, "StageStarted", subject(entry) + Startup.made(entry.jobName()));
    }

    private void running(StageStatus noted) {
        Attempt attempt = Attempt.of(resource, observed, noted);
        StageEnd ending = StageEnd.of(attempt, Names.workspace(resource));
        Startup startup = ending != null ? null : Startup.of(resource, attempt, observed, now);
        StageStatus entry = Entries.timed(draft, attempt, startup, ending != null, now);
        if (outdated(attempt, startup)) {
            supersede(attempt, entry);
            return;
        }
        RunPod ran = attempt.ran();
        if (ran != null && ran.trainer() != null && ran.trainer().startedAt() != null) {
            draft.started(ran.trainer().startedAt(), imageOf(attempt));
        }
        draft.stage(entry);
        if (ending != null) {
            ended(attempt, entry, ending);
        } else if (resource.getSpec().suspend()) {
            Entries.stopped(draft, entry, now);
            draft.stage(Entries.ended(entry, Outcome.Failed, Reason.Preempted, SUSPENDED, now));
            draft.state("Suspended", List.of("Suspended"), "Suspended", SUSPENDED);
            agenda.tell(entry, false, "Suspended", "%s is suspended".formatted(entry.name()));
        } else if (!deadlinePassed(entry.name(), startup)) {
            going(attempt.with(entry), startup);
        }
    }

    /** A Job that was made for an earlier spec and has not run, or in a run that no container had begun. */
    private boolean outdated(Attempt attempt, @Nullable Startup startup) {
        Job job = attempt.job();
        String runId = draft.runId();
        boolean stays = Changes.started(old) && (problems.any() || attempt.ran() != null);
        if (job == null || runId == null || stays) {
            return false;
        }
        boolean otherImage = startup != null && startup.ofImage() && !image().equals(attempt.givenImage());
        return otherImage
                || (problems.any() && Changes.ofOtherGeneration(job, resource))
                || Changes.outdated(job, resource, runId, attempt.entry().name());
    }

    private void supersede(Attempt attempt, StageStatus entry) {
        String message = "the spec was changed before it began to run";
        draft.stage(Entries.ended(entry, Outcome.Failed, Reason.Superseded, message, now));
        agenda.tell(entry, false, "Superseded", attempt + ": " + message + "; another Job is made");
        if (resource.getSpec().suspend()) {
            draft.state("Suspended", List.of("Suspended"), "Suspended", SUSPENDED);
        } else {
            draft.state(entry.name().name(), List.of(RECONCILING), STARTING, attempt + ": " + message);
            agenda.wake(now.plusSeconds(2));
        }
    }

    /** Neither ended nor to be ended: says whether it runs, and if not, why. */
    private void going(Attempt attempt, @Nullable Startup seen) {
        StageStatus entry = attempt.entry();
        if (seen == null) {
            draft.state(
                    entry.name().name(),
                    List.of(RECONCILING),
                    "Running",
                    "%s runs, attempt %d".formatted(entry.name(), entry.attempt()));
            agenda.wake(Deadlines.active(resource, draft));
            return;
        }
        Startup startup = observed.why() ? seen : seen.or(StatusDraft.condition(old, RECONCILING), subject(entry));
        if (startsTooLate(attempt, startup)) {
            return;
        }
        waiting(entry, startup);
        agenda.wake(now.plusSeconds(attempt.secondsToLook(now)));
    }

    private static String subject(StageStatus entry) {
        return Entries.called(entry) + ": ";
    }

    private boolean startsTooLate(Attempt attempt, Startup startup) {
        Instant due = Deadlines.start(resource, attempt);
        if (due == null || now.isBefore(due)) {
            agenda.wake(due);
            return false;
        }
        String message = "`spec.startDeadlineSeconds` (%d) have passed, and %s has not started: %s: %s"
                .formatted(resource.getSpec().startDeadlineSeconds(), attempt, startup.reason(), startup.message());
        draft.stage(Entries.ended(attempt.entry(), Outcome.Failed, Reason.DeadlineExceeded, message, now));
        end.fail(Reason.DeadlineExceeded, message);
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
        if (startup.told() && !known && !problems.any()) {
            agenda.tell(entry, startup.warning(), startup.reason(), message);
        }
    }

    private void ended(Attempt attempt, StageStatus entry, StageEnd how) {
        if (how.result() != null) {
            draft.take(how.result(), Names.workspace(resource), Objects.requireNonNullElse(attempt.image(), image()));
        }
        if (how.outcome() == Outcome.Failed && how.reason() != null) {
            failed(entry, how);
            return;
        }
        draft.started(Objects.requireNonNullElse(Times.parse(entry.startTime()), now), imageOf(attempt));
        draft.stage(Entries.ended(entry, Outcome.Succeeded, null, how.message(), now));
        agenda.tell(entry, false, "StageSucceeded", "%s succeeded".formatted(entry.name()));
        if (how.result() != null && how.result().alreadyComplete()) {
            String note = how.message();
            end.complete("the output holds this run's finished result already" + (note == null ? "" : ": " + note));
        } else {
            agenda.again();
        }
    }

    /** Records a failure and, in the same write, whether the run goes on. */
    private void failed(StageStatus entry, StageEnd how) {
        if (review.sendsBack(entry, how)) {
            return;
        }
        StageStatus ended = Entries.failed(entry, how, old.progress(), now);
        draft.stage(ended);
        Reason reason = Objects.requireNonNull(ended.reason());
        String sentence = subject(entry) + ended.message();
        if (!reason.retriable() || ended.failures() > resource.getSpec().retries()) {
            end.fail(reason, sentence);
            return;
        }
        boolean failure = ended.failures() > entry.failures();
        agenda.tell(entry, true, failure ? "StageFailed" : "StageInterrupted", sentence + "; it is tried again");
        draft.state(entry.name().name(), List.of(RECONCILING), "Retrying", sentence);
        agenda.wake(Entries.due(ended, settings));
    }

    private void start(Stage stage, @Nullable StageStatus entry) {
        Instant due = goesOnAtOnce() ? null : Entries.due(entry, settings);
        if (due != null && now.isBefore(due)) {
            agenda.wake(due);
            return;
        }
        String runId = Objects.requireNonNull(draft.runId());
        StageStatus begun = Entries.with(
                Entries.next(resource, stage, entry, now), References.versions(resource.getSpec(), stage, observed));
        Startup busy = jobs.busy(draft.build().stages(), now);
        if (busy != null) {
            agenda.wake(now.plusSeconds(busy.warning() ? 10 : 3));
            waiting(begun, busy);
            return;
        }
        if (permission.refuses(stage)) {
            return;
        }
        if (resource.getSpec().runtime().workspace().claimName() == null) {
            agenda.create(new Action.CreateClaim(Children.workspace(resource, runId)));
        }
        agenda.create(new Action.CreateConfigMap(Children.runSpec(resource, runId)));
        agenda.create(new Action.CreateJob(job(runId, begun)));
        draft.stage(begun);
        String message = subject(begun) + Startup.made(begun.jobName());
        draft.state(stage.name(), List.of(RECONCILING), STARTING, message);
        tellStarted(begun);
        agenda.wake(now.plusSeconds(4));
    }

    /** Whether what ended the last attempt is no reason to wait. */
    private boolean goesOnAtOnce() {
        Condition reconciling = StatusDraft.condition(old, RECONCILING);
        return StatusDraft.isTrue(old, "Suspended")
                || (reconciling != null && RESUMING.equals(reconciling.getReason()));
    }

    private Job job(String runId, StageStatus entry) {
        StageAttempt attempt = StageAttemptBuilder.builder()
                .resource(resource)
                .runId(runId)
                .stage(entry.name())
                .number(entry.attempt())
                .image(image())
                .references(entry.references())
                .build();
        return Changes.marked(StageJob.of(attempt, settings), attempt);
    }

    /** The image that the attempt was given; that of the next one if its Job is gone. */
    private String imageOf(Attempt attempt) {
        return Objects.requireNonNullElseGet(attempt.givenImage(), this::image);
    }

    /** The image of the run's next Job. */
    private String image() {
        LoraTrainingStatus status = draft.build();
        return status.startTime() != null && status.image() != null
                ? status.image()
                : StageJob.image(resource, settings);
    }

    private boolean deadlinePassed(Stage stage, @Nullable Startup startup) {
        if (!Deadlines.activePassed(resource, draft, now)) {
            return false;
        }
        StageStatus entry = draft.stage(stage);
        String message = "the run's containers have run for `spec.activeDeadlineSeconds` (%d): %s%s"
                .formatted(
                        resource.getSpec().activeDeadlineSeconds(),
                        Entries.where(stage, entry, old.progress()),
                        startup == null ? "" : "; " + startup.message());
        if (entry != null && entry.outcome() == null) {
            Entries.stopped(draft, entry, now);
            draft.stage(Entries.ended(entry, Outcome.Failed, Reason.DeadlineExceeded, message, now));
        }
        end.fail(Reason.DeadlineExceeded, message);
        return true;
    }
}
