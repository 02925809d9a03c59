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
}
