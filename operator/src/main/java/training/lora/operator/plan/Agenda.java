package training.lora.operator.plan;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.api.LoraTrainingStatus;
import training.lora.api.StageStatus;

/** What a plan in the making is to do, and when it is to be made anew. */
final class Agenda {
    private static final Duration SHORTEST = Duration.ofSeconds(1);

    private final Instant now;
    private final List<Action> creations = new ArrayList<>();
    private final List<Action> afterwards = new ArrayList<>();
    private @Nullable Instant wakeAt;
    private boolean again;

    Agenda(Instant now) {
        this.now = now;
    }

    /** To be done before the status is written. */
    void create(Action creation) {
        creations.add(creation);
    }

    /** To be done after the status is written. */
    void then(List<Action> actions) {
        afterwards.addAll(actions);
    }

    void tell(String key, boolean warning, String reason, String message) {
        afterwards.add(new Action.Emit(key, warning, reason, message));
    }

    /** Tells something of an attempt once. */
    void tell(StageStatus attempt, boolean warning, String reason, String message) {
        tell("%s-%d-%s".formatted(attempt.name(), attempt.attempt(), reason), warning, reason, message);
    }

    /** Plans again at that time at the latest. */
    void wake(@Nullable Instant at) {
        if (at != null && (wakeAt == null || at.isBefore(wakeAt))) {
            wakeAt = at;
        }
    }

    /** Plans again at once. */
    void again() {
        again = true;
    }

    PlanResult result(LoraTrainingStatus old, LoraTrainingStatus status) {
        List<Action> actions = new ArrayList<>(creations);
        if (!status.equals(old)) {
            actions.add(new Action.WriteStatus(status));
        }
        actions.addAll(afterwards);
        Duration reschedule = wakeAt == null ? null : Duration.between(now, wakeAt);
        return new PlanResult(
                actions,
                status,
                reschedule != null && reschedule.compareTo(SHORTEST) < 0 ? SHORTEST : reschedule,
                again);
    }
}
