package training.lora.operator.plan;

import java.time.Instant;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.api.Outcome;
import training.lora.api.Progress;
import training.lora.api.ProgressBuilder;
import training.lora.api.ProgressMessage;
import training.lora.api.StageStatus;

/** What stands in {@code status.progress}. */
public final class StageProgress {
    private StageProgress() {}

    /** While an attempt runs: what its pod, which was made at {@code created}, reported. */
    public static Progress reported(ProgressMessage message, Instant created) {
        int percentage = message.steps() <= 0 ? 0 : (int) Math.min(100, 100L * message.step() / message.steps());
        Integer left = message.estimatedRemainingSeconds();
        return ProgressBuilder.builder()
                .stage(message.stage())
                .attempt(message.attempt())
                .progressPercentage(percentage)
                .percent(percentage + "%")
                .lastUpdatedTime(message.time())
                .metrics(message.metrics())
                .step(message.step())
                .steps(message.steps())
                .estimatedRemainingSeconds(left)
                .remaining(left == null ? null : spoken(left))
                .podCreationTime(StatusDraft.seconds(created))
                .saved(message.saved())
                .build();
    }

    /**
     * When an attempt begins or ends: nothing yet for one that begins, all of it for one that succeeded, as far as it
     * came for one that failed; nothing is left to wait for in either. {@code last}: what stood there before.
     */
    static @Nullable Progress of(StageStatus entry, @Nullable Progress last) {
        Progress reported = own(entry, last);
        if (entry.outcome() == null) {
            return reported;
        }
        if (entry.outcome() == Outcome.Succeeded) {
            Integer steps = reported == null ? null : reported.steps();
            return ProgressBuilder.builder()
                    .stage(entry.name())
                    .attempt(entry.attempt())
                    .progressPercentage(100)
                    .percent("100%")
                    .lastUpdatedTime(Objects.requireNonNull(entry.completionTime(), "what has an outcome has an end"))
                    .metrics(reported == null ? List.of() : reported.metrics())
                    .step(steps)
                    .steps(steps)
                    .saved(reported == null ? null : reported.saved())
                    .build();
        }
        return reported == null
                ? null
                : ProgressBuilder.builder(reported)
                        .estimatedRemainingSeconds(null)
                        .remaining(null)
                        .build();
    }

    /** What is of the attempt that {@code entry} speaks of; null if it is of another. */
    static @Nullable Progress own(StageStatus entry, @Nullable Progress progress) {
        return progress != null
                        && progress.stage() == entry.name()
                        && progress.attempt().equals(entry.attempt())
                ? progress
                : null;
    }

    /** As kubectl prints ages: the largest unit that is not zero. */
    private static String spoken(int seconds) {
        if (seconds < 120) {
            return seconds + "s";
        }
        return seconds < 7200 ? seconds / 60 + "m" : seconds / 3600 + "h";
    }
}
