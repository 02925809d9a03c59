package training.lora.operator.plan;

import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.api.LoraTrainingStatus;

/**
 * What is to be done.
 *
 * @param actions in this order; a failed one ends the round
 * @param status the status after them
 * @param reschedule when to plan again if nothing happens; null: only when something happens
 * @param again whether to plan again at once, from what is then observed
 */
public record PlanResult(
        List<Action> actions,
        LoraTrainingStatus status,
        @Nullable Duration reschedule,
        boolean again) {
    public PlanResult {
        actions = List.copyOf(actions);
    }

    /** Whether objects are to be created or deleted. */
    public boolean changesObjects() {
        return actions.stream().anyMatch(PlanResult::changesObject);
    }

    /** Without what is written and told of it, which is left to the plan that is made after {@code time} at the latest. */
    public PlanResult objectsOnly(Duration time) {
        return new PlanResult(actions.stream().filter(PlanResult::changesObject).toList(), status, time, false);
    }

    private static boolean changesObject(Action action) {
        return !(action instanceof Action.WriteStatus || action instanceof Action.Emit);
    }
}
