package training.lora.operator.plan;

import java.time.Instant;
import java.util.Objects;
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
                .saved(last == null ? null : last.saved())
                .build();
    }

    /** The attempt's entry with the time since which its container runs; adds to the run's time what ran before. */
    static StageStatus timed(StatusDraft draft, Attempt attempt, boolean ends, Instant now) {
        StageStatus entry = attempt.entry();
        Instant noted = Times.parse(entry.runningSince());
        RunPod running = attempt.running();
        Instant since = running == null || running.trainer() == null
                ? null
                : running.trainer().startedAt();
        if (noted != null && !noted.equals(since)) {
            draft.ran(noted, Objects.requireNonNullElse(endOf(attempt, noted), since == null ? now : since));
        }
        RunPod last = attempt.lastPod();
        ContainerView trainer = last == null ? null : last.trainer();
        if (noted == null
                && ends
                && last != null
                && !last.disrupted()
                && trainer != null
                && trainer.startedAt() != null) {
            // It began and ended while nobody looked.
            draft.ran(trainer.startedAt(), Objects.requireNonNullElse(trainer.finishedAt(), now));
        }
        return StageStatusBuilder.builder(entry)
                .runningSince(since == null ? null : StatusDraft.seconds(since))
                .build();
    }

    private static @Nullable Instant endOf(Attempt attempt, Instant started) {
        return attempt.pods().stream()
                .map(RunPod::trainer)
                .filter(t -> t != null && started.equals(t.startedAt()))
                .map(ContainerView::finishedAt)
                .filter(Objects::nonNull)
                .findFirst()
                .orElse(null);
    }

    /** Adds to the run's time that of an attempt which is ended while it runs. */
    static void stopped(StatusDraft draft, StageStatus entry, Instant now) {
        Instant since = Times.parse(entry.runningSince());
        if (since != null) {
            draft.ran(since, now);
        }
    }

    /** With an outcome that is held against nobody. */
    static StageStatus ended(
            StageStatus entry, Outcome outcome, @Nullable Reason reason, @Nullable String message, Instant now) {
        return StageStatusBuilder.builder(entry)
                .interruptions(outcome == Outcome.Succeeded ? 0 : entry.interruptions())
                .runningSince(null)
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
        return own != null && own.saved() != null ? own.saved() : entry.saved();
    }

    /** When the attempt after {@code last} may start; null: now. The delay grows with failures and interruptions. */
    static @Nullable Instant due(@Nullable StageStatus last, Settings settings) {
        return last == null || last.completionTime() == null || last.reason() == Reason.Superseded
                ? null
                : Instant.parse(last.completionTime())
                        .plus(settings.delayAfter(last.failures() + last.interruptions()));
    }

    /** Where a stage stands, for people. */
    static String where(Stage stage, @Nullable StageStatus entry, @Nullable Progress progress) {
        if (entry == null) {
            return "%s has not begun".formatted(stage);
        }
        String attempt = "%s, attempt %d".formatted(stage, entry.attempt());
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
