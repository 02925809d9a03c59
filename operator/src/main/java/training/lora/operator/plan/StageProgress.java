package training.lora.operator.plan;

import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.api.Outcome;
import training.lora.api.Progress;
import training.lora.api.ProgressMessage;
import training.lora.api.StageStatus;

/** What stands in {@code status.progress}. */
public final class StageProgress {
    private StageProgress() {}

    /** While an attempt runs: what it reported. */
    public static Progress reported(ProgressMessage message) {
        int percentage = message.steps() <= 0 ? 0 : (int) Math.min(100, 100L * message.step() / message.steps());
        Integer left = message.estimatedRemainingSeconds();
        return new Progress(
                message.stage(),
                message.attempt(),
                message.step(),
                message.steps(),
                percentage,
                left,
                percentage + "%",
                left == null ? null : spoken(left),
                message.time(),
                message.metrics());
    }

    /**
     * When an attempt begins or ends: nothing yet for one that begins, all of it for one that succeeded, as far as it
     * came for one that failed; nothing is left to wait for in either. {@code last}: what stood there before.
     */
    static @Nullable Progress of(StageStatus entry, @Nullable Progress last) {
        boolean same =
                last != null && last.stage() == entry.name() && last.attempt().equals(entry.attempt());
        Progress reported = same ? last : null;
        if (entry.outcome() == null) {
            return reported;
        }
        if (entry.outcome() == Outcome.Succeeded) {
            Integer steps = reported == null ? null : reported.steps();
            return new Progress(
                    entry.name(),
                    entry.attempt(),
                    steps,
                    steps,
                    100,
                    null,
                    "100%",
                    null,
                    Objects.requireNonNull(entry.completionTime(), "what has an outcome has an end"),
                    reported == null ? List.of() : reported.metrics());
        }
        return reported == null
                ? null
                : new Progress(
                        reported.stage(),
                        reported.attempt(),
                        reported.step(),
                        reported.steps(),
                        reported.progressPercentage(),
                        null,
                        reported.percent(),
                        null,
                        reported.lastUpdatedTime(),
                        reported.metrics());
    }

    /** As kubectl prints ages: the largest unit that is not zero. */
    private static String spoken(int seconds) {
        if (seconds < 120) {
            return seconds + "s";
        }
        return seconds < 7200 ? seconds / 60 + "m" : seconds / 3600 + "h";
    }
}
