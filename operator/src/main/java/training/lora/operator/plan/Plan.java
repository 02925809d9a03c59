package training.lora.operator.plan;

import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.api.LoraTraining;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.LoraTrainingStatus;
import training.lora.api.LoraTrainingStatusBuilder;
import training.lora.api.Outcome;
import training.lora.api.Reason;
import training.lora.api.RunSpec;
import training.lora.api.SpecValidator;
import training.lora.api.Stage;
import training.lora.api.StageStatus;
import training.lora.api.StageStatusBuilder;

/**
 * What happens next to a run. A stage's Job is created before its entry is written, and its outcome is written before
 * the Job is deleted: so an entry without outcome whose Job is gone means that someone else deleted it, and a Job
 * without entry means that the operator stopped between the two writes. No attempt is made twice, since the next
 * attempt's number follows from the entry.
 */
public final class Plan {
    private static final String SUSPENDED = "`spec.suspend` is true";

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

    private Plan(LoraTraining resource, Observed observed, Settings settings, Instant now) {
        this.resource = resource;
        this.observed = observed;
        this.jobs = RunJobs.of(resource, observed);
        this.settings = settings;
        this.now = now;
        LoraTrainingStatus status = resource.getStatus();
        old = status != null
                ? status
                : LoraTrainingStatusBuilder.builder()
                        .conditions(List.of())
                        .stages(List.of())
                        .checkpoints(List.of())
                        .artifacts(List.of())
                        .build();
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

    /** The plan where a name that the run needs belongs to something else: waits for it to go. */
    public static PlanResult nameTaken(LoraTraining resource, String what, Settings settings, Instant now) {
        Plan plan = new Plan(resource, Observed.of(List.of(), List.of()), settings, now);
        String phase = plan.old.phase() == null ? Stage.Prepare.name() : plan.old.phase();
        plan.draft.state(phase, List.of("Stalled"), "NameTaken", what + " exists and belongs to something else");
        plan.wake(now.plusSeconds(30));
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
        if (Finished.is(old)) {
            boolean corrected = old.runId() == null
                    && !resource.getMetadata().getGeneration().equals(old.observedGeneration());
            if (!corrected) {
                deleteSettledJobs();
                deleteExpiredJobs();
                return;
            }
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
        if (old.runId() == null && !spec.suspend()) {
            // In a round of its own, before anything bears the id: from here on the API server refuses changes to
            // what the run depends on.
            draft.runId(RunSpec.of(
                            resource.getMetadata().getNamespace(),
                            resource.getMetadata().getName(),
                            spec)
                    .runId());
            draft.state(Stage.Prepare.name(), List.of("Reconciling"), "Starting", "the run begins");
            again = true;
            return;
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
        if ((entry == null || entry.outcome() != null) && old.runId() != null) {
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
        Job job = observed.job(Names.job(resource.getMetadata().getName(), stage, nextAttempt(entry)));
        if (job == null || !Names.owned(job, resource.getMetadata().getUid())) {
            return entry;
        }
        String created = job.getMetadata().getCreationTimestamp();
        StageStatus found = started(stage, entry, created == null ? StatusDraft.seconds(now) : created);
        draft.stage(found);
        reconciling(found);
        return found;
    }

    /** The attempt after {@code last}. */
    private StageStatus started(Stage stage, @Nullable StageStatus last, String time) {
        int attempt = nextAttempt(last);
        return StageStatusBuilder.builder()
                .name(stage)
                .attempt(attempt)
                .failures(last == null ? 0 : last.failures())
                .jobName(Names.job(resource.getMetadata().getName(), stage, attempt))
                .startTime(time)
                .build();
    }

    private static int nextAttempt(@Nullable StageStatus last) {
        return last == null ? 1 : last.attempt() + 1;
    }

    private void reconciling(StageStatus entry) {
        draft.state(
                entry.name().name(),
                List.of("Reconciling"),
                "Running",
                "%s runs, attempt %d".formatted(entry.name(), entry.attempt()));
    }

    private void running(StageStatus entry) {
        Job job = observed.job(entry.jobName());
        boolean ours = job != null && Names.owned(job, resource.getMetadata().getUid());
        if (job == null || !ours) {
            failed(entry, Reason.JobLost, "the Job " + entry.jobName() + " was deleted while it ran");
        } else if (StageEnd.finished(job)) {
            ended(entry, job);
        } else if (resource.getSpec().suspend()) {
            draft.stage(ended(entry, Outcome.Failed, Reason.Preempted, SUSPENDED));
            draft.state("Suspended", List.of("Suspended"), "Suspended", SUSPENDED);
            event(entry, false, "Suspended", "%s is suspended".formatted(entry.name()));
        } else if (!deadlinePassed(entry.name())) {
            reconciling(entry);
            if (deadline() != null) {
                wake(deadline());
            }
        }
    }

    private void ended(StageStatus entry, Job job) {
        StageEnd end = StageEnd.of(entry, job, podResult(entry.jobName()));
        if (end.result() != null) {
            String folder = Names.subPath(resource);
            String root = "pvc://" + Names.claim(resource) + "/" + (folder == null ? "" : folder + "/");
            String image =
                    job.getSpec().getTemplate().getSpec().getContainers().get(0).getImage();
            draft.take(end.result(), root, image == null ? "" : image);
        }
        if (end.outcome() == Outcome.Failed && end.reason() != null) {
            failed(entry, end.reason(), end.message() == null ? "no message" : end.message());
            return;
        }
        draft.stage(ended(entry, Outcome.Succeeded, null, end.message()));
        event(entry, false, "StageSucceeded", "%s succeeded".formatted(entry.name()));
        if (end.result() != null && end.result().alreadyComplete()) {
            String note = end.result().message();
            complete("the output holds this run's finished result already" + (note == null ? "" : ": " + note));
        } else {
            reconciling(entry);
            again = true;
        }
    }

    private @Nullable PodResult podResult(String job) {
        return observed.pods().stream()
                .filter(p -> job.equals(p.jobName()))
                .map(RunPod::trainer)
                .filter(t -> t != null && t.exitCode() != null)
                .max(Comparator.comparing(t -> Objects.requireNonNullElse(t.finishedAt(), Instant.EPOCH)))
                .map(t -> new PodResult(Objects.requireNonNull(t.exitCode()), t.endReason(), t.message()))
                .orElse(null);
    }

    /** A suspended or preempted attempt has not failed of itself, so it leaves as many retries as there were. */
    private StageStatus ended(StageStatus entry, Outcome outcome, @Nullable Reason reason, @Nullable String message) {
        boolean failed = outcome == Outcome.Failed && reason != Reason.Preempted;
        return StageStatusBuilder.builder(entry)
                .failures(failed ? entry.failures() + 1 : entry.failures())
                .completionTime(StatusDraft.seconds(now))
                .outcome(outcome)
                .reason(reason)
                .message(message)
                .build();
    }

    /** Records a failure and, in the same write, whether the run goes on. */
    private void failed(StageStatus entry, Reason reason, String message) {
        StageStatus ended = ended(entry, Outcome.Failed, reason, message);
        draft.stage(ended);
        String sentence = "%s, attempt %d: %s".formatted(entry.name(), entry.attempt(), message);
        if (!reason.retriable() || ended.failures() > resource.getSpec().retries()) {
            fail(reason, sentence);
            return;
        }
        event(entry, true, "StageFailed", sentence + "; it is tried again");
        draft.state(entry.name().name(), List.of("Reconciling"), "Retrying", sentence);
        wake(now.plus(settings.delayAfter(ended.failures())));
    }

    private void start(Stage stage, @Nullable StageStatus entry) {
        boolean resumed = StatusDraft.isTrue(old, "Suspended");
        if (entry != null && entry.completionTime() != null && !resumed) {
            Instant due = Instant.parse(entry.completionTime()).plus(settings.delayAfter(entry.failures()));
            if (now.isBefore(due)) {
                wake(due);
                if (deadline() != null) {
                    wake(deadline());
                }
                return;
            }
        }
        if (jobs.anyUnfinished()) {
            // A deleted Job stays until its pod is gone; two trainers must not share an output.
            wake(now.plusSeconds(10));
            if (resumed) {
                draft.state("Suspended", List.of("Suspended"), "Resuming", "the suspended Job's pod is still ending");
            }
            return;
        }
        String runId = old.runId();
        if (runId == null) {
            return;
        }
        if (resource.getSpec().runtime().workspace().claimName() == null) {
            creations.add(new Action.CreateClaim(Children.workspace(resource, runId)));
        }
        creations.add(new Action.CreateConfigMap(Children.runSpec(resource, runId)));
        StageStatus begun = started(stage, entry, StatusDraft.seconds(now));
        creations.add(new Action.CreateJob(StageJob.of(
                new StageAttempt(resource, runId, stage, begun.attempt(), StageJob.image(resource, settings)),
                secondsLeft(),
                settings)));
        draft.stage(begun);
        reconciling(begun);
        event(
                begun,
                false,
                "StageStarted",
                "%s, attempt %d, runs as Job %s".formatted(stage, begun.attempt(), begun.jobName()));
        if (deadline() != null) {
            wake(deadline());
        }
    }

    /** The moment at which the time for all stages is over; as for a Job, it counts anew after a suspension. */
    private @Nullable Instant deadline() {
        Integer seconds = resource.getSpec().activeDeadlineSeconds();
        Condition active = StatusDraft.condition(old, "Reconciling");
        if (seconds == null) {
            return null;
        }
        Instant since = active == null || !"True".equals(active.getStatus())
                ? now
                : Instant.parse(active.getLastTransitionTime());
        return since.plusSeconds(seconds);
    }

    private @Nullable Long secondsLeft() {
        Instant deadline = deadline();
        return deadline == null
                ? null
                : Math.max(1, Duration.between(now, deadline).toSeconds());
    }

    private boolean deadlinePassed(Stage stage) {
        Instant deadline = deadline();
        if (deadline == null || now.isBefore(deadline)) {
            return false;
        }
        String message = "`spec.activeDeadlineSeconds` (%d) have passed"
                .formatted(resource.getSpec().activeDeadlineSeconds());
        StageStatus entry = draft.stage(stage);
        if (entry != null && entry.outcome() == null) {
            draft.stage(ended(entry, Outcome.Failed, Reason.DeadlineExceeded, message));
        }
        fail(Reason.DeadlineExceeded, message);
        return true;
    }

    private void complete(String message) {
        draft.state("Complete", List.of("Complete"), "Complete", message);
        afterwards.add(new Action.Emit("complete", false, "Complete", message));
        again = resource.getSpec().ttlSecondsAfterFinished() != null;
    }

    private void fail(Reason reason, String message) {
        draft.state("Failed", List.of("Failed", "Stalled"), reason.name(), message);
        afterwards.add(new Action.Emit("failed", true, reason.name(), message));
        again = resource.getSpec() != null && resource.getSpec().ttlSecondsAfterFinished() != null;
    }

    private void deleteSettledJobs() {
        afterwards.addAll(jobs.deleteSettled(draft.build().stages()));
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
                "%s-%d-%s".formatted(Names.lower(entry.name()), entry.attempt(), reason), warning, reason, message));
    }
}
