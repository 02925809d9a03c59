package training.lora.operator.plan;

import java.time.Duration;
import java.time.Instant;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import training.lora.api.LoraTraining;
import training.lora.api.Outcome;
import training.lora.api.Progress;
import training.lora.api.Reason;
import training.lora.api.SavedState;
import training.lora.api.Stage;
import training.lora.api.StageStatus;
import training.lora.api.StageStatusBuilder;
import training.lora.operator.plan.StageEnd.Ending;

/** How the entries of stages in the status become what they are. */
final class Entries {
    private Entries() {}

    /** That of the attempt after {@code last}, whose Job is made at {@code time}. */
    static StageStatus next(LoraTraining resource, Stage stage, @Nullable StageStatus last, Instant time) {
        int attempt = last == null ? 1 : last.attempt() + 1;
        return StageStatusBuilder.builder()
                .name(stage)
                .attempt(attempt)
                .failures(last == null ? 0 : last.failures())
                .interruptions(last == null ? 0 : last.interruptions())
                .jobName(Names.job(resource.getMetadata().getName(), stage, attempt))
                .startTime(StatusDraft.seconds(time))
                .waitingSince(StatusDraft.seconds(time))
                .saved(last == null ? null : last.saved())
                .review(Review.noted(resource, stage))
                .build();
    }

    /**
     * The attempt's entry with the times that its deadlines count from, by the operator's clock; adds to the run's time
     * what ran before. What may go on where nobody sees it, on a lost node, doesn't count.
     */
    static StageStatus timed(StatusDraft draft, Attempt attempt, @Nullable Startup startup, boolean ends, Instant now) {
        StageStatus entry = attempt.entry();
        Instant ranSince = Times.parse(entry.runningSince());
        boolean lost = startup != null && startup.lost();
        boolean runs = attempt.running() != null && !lost;
        boolean waits = !runs && !lost && !ends && !attempt.suspended();
        if (ranSince != null && !runs) {
            draft.ran(measured(attempt, ranSince).orElse(Duration.between(ranSince, now)));
        } else if (entry.waitingSince() != null && ends) {
            // It began and ended while nobody looked.
            RunPod last = attempt.lastPod();
            draft.ran(
                    last == null || last.disrupted()
                            ? Duration.ZERO
                            : measured(last).orElse(Duration.ZERO));
        }
        String time = StatusDraft.seconds(now);
        return StageStatusBuilder.builder(entry)
                .runningSince(runs ? Objects.requireNonNullElse(entry.runningSince(), time) : null)
                .waitingSince(waits ? Objects.requireNonNullElse(entry.waitingSince(), time) : null)
                .build();
    }

    /** For how long the container that is seen to run since then did, by its node's clock, if it is known to have ended. */
    private static Optional<Duration> measured(Attempt attempt, Instant since) {
        RunPod ran = attempt.ran();
        ContainerView trainer = ran == null ? null : ran.trainer();
        boolean another = trainer == null
                || trainer.finishedAt() == null
                || trainer.finishedAt().isBefore(since);
        return ran == null || another ? Optional.empty() : measured(ran);
    }

    private static Optional<Duration> measured(RunPod pod) {
        ContainerView trainer = pod.trainer();
        return trainer == null || trainer.startedAt() == null || trainer.finishedAt() == null
                ? Optional.empty()
                : Optional.of(Duration.between(trainer.startedAt(), trainer.finishedAt()));
    }

    /** Adds to the run's time that of an attempt which is ended while it runs. */
    static void stopped(StatusDraft draft, StageStatus entry, Instant now) {
        Instant since = Times.parse(entry.runningSince());
        if (since != null) {
            draft.ran(Duration.between(since, now));
        }
    }

    /** With the versions of what it was made with. */
    static StageStatus with(StageStatus entry, @Nullable String references) {
        return StageStatusBuilder.builder(entry).references(references).build();
    }

    /** With an outcome that is held against nobody. */
    static StageStatus ended(
            StageStatus entry, Outcome outcome, @Nullable Reason reason, @Nullable String message, Instant now) {
        return StageStatusBuilder.builder(entry)
                .interruptions(outcome == Outcome.Succeeded ? 0 : entry.interruptions())
                .runningSince(null)
                .waitingSince(null)
                .completionTime(StatusDraft.seconds(now))
                .outcome(outcome)
                .reason(reason)
                .message(message)
                .build();
    }

    /**
     * With a failure. One that was told to end has not failed if it came further than the attempts before it; if not, it
     * would go on like this for ever.
     */
    static StageStatus failed(StageStatus entry, StageEnd end, @Nullable Progress progress, Instant now) {
        SavedState saved = saved(entry, end, progress);
        SavedState before = entry.saved();
        boolean further = saved != null && (before == null ? saved.step() > 0 : saved.step() > before.step());
        boolean counts = end.ending() == Ending.OWN || (end.ending() == Ending.TOLD && !further);
        String message = Objects.requireNonNullElse(end.message(), "no message");
        if (end.ending() == Ending.TOLD && counts) {
            message += before == null
                    ? "; it counts as a failure, since no state was written by then"
                    : "; it counts as a failure, since no state was written after step " + before.step();
        }
        return StageStatusBuilder.builder(ended(entry, Outcome.Failed, end.reason(), message, now))
                .failures(counts ? entry.failures() + 1 : entry.failures())
                .interruptions(counts || further ? 0 : entry.interruptions() + 1)
                .saved(saved)
                .build();
    }

    /** The newest state that anyone told of. */
    private static @Nullable SavedState saved(StageStatus entry, StageEnd end, @Nullable Progress progress) {
        if (end.result() != null && end.result().saved() != null) {
            return end.result().saved();
        }
        Progress own = StageProgress.own(entry, progress);
        SavedState told = own == null ? null : own.saved();
        return told != null && told.step() != null ? told : entry.saved();
    }

    /** When the attempt after {@code last} may start; null: now. The delay grows with failures and interruptions. */
    static @Nullable Instant due(@Nullable StageStatus last, Settings settings) {
        return last == null || last.completionTime() == null || last.reason() == Reason.Superseded
                ? null
                : Instant.parse(last.completionTime())
                        .plus(settings.delayAfter(last.failures() + last.interruptions()));
    }

    /** What the attempt is called in sentences for people. */
    static String called(StageStatus entry) {
        return "%s, attempt %d".formatted(entry.name(), entry.attempt());
    }

    /** Where a stage stands, for people. */
    static String where(Stage stage, @Nullable StageStatus entry, @Nullable Progress progress) {
        if (entry == null) {
            return "%s has not begun".formatted(stage);
        }
        String attempt = called(entry);
        if (entry.outcome() != null) {
            return "%s, ended: %s".formatted(attempt, entry.message());
        }
        Progress own = StageProgress.own(entry, progress);
        String failures = entry.failures() == 0 ? "" : " after " + entry.failures() + " failures";
        return own != null && own.step() != null
                ? "%s%s, was at step %d of %d".formatted(attempt, failures, own.step(), own.steps())
                : "%s%s, was running".formatted(attempt, failures);
    }
}
