package training.lora.operator.plan;

import java.time.Instant;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.api.LoraTraining;
import training.lora.api.StageStatus;

/** When a run's time is over; by the operator's clock alone, so that it can be changed while a Job runs. */
final class Deadlines {
    private Deadlines() {}

    /** When the container that runs now will have used up the run's time; null: never, or none runs. */
    static @Nullable Instant active(LoraTraining resource, StatusDraft draft) {
        Integer seconds = resource.getSpec().activeDeadlineSeconds();
        String since = draft.build().stages().stream()
                .map(StageStatus::runningSince)
                .filter(Objects::nonNull)
                .findFirst()
                .orElse(null);
        return seconds == null || since == null
                ? null
                : Instant.parse(since).plusSeconds((long) seconds - draft.activeSeconds());
    }

    /** Whether the run has used up its time. */
    static boolean activePassed(LoraTraining resource, StatusDraft draft, Instant now) {
        Integer seconds = resource.getSpec().activeDeadlineSeconds();
        Instant deadline = active(resource, draft);
        return deadline == null ? seconds != null && draft.activeSeconds() >= seconds : !now.isBefore(deadline);
    }

    /** By when the attempt's pod must have started; null: there is no limit, it is queued, or it has. */
    static @Nullable Instant start(LoraTraining resource, Attempt attempt) {
        Integer seconds = resource.getSpec().startDeadlineSeconds();
        Instant since = attempt.waitsSince();
        return seconds == null || since == null ? null : since.plusSeconds(seconds);
    }
}
