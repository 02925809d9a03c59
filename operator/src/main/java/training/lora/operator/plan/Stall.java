package training.lora.operator.plan;

import io.fabric8.kubernetes.api.model.Condition;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import training.lora.api.LoraTraining;
import training.lora.api.LoraTrainingStatus;
import training.lora.api.Stage;

/** Plans for a run that can't go on until someone else does something: condition Stalled says what. */
public final class Stall {
    private static final String STALLED = "Stalled";
    private static final String REFUSED = "Refused";

    private Stall() {}

    /**
     * The plan where the API server refuses to create what the run needs, for a quota or a value that it does not take.
     * It is tried again when the time since the first refusal has doubled, but at least as often as a failed stage is.
     *
     * @param what kind and name of what was to be created
     * @param sentence what the API server said
     */
    public static PlanResult refused(
            LoraTraining resource, String what, String sentence, Settings settings, Instant now) {
        LoraTrainingStatus old = StatusDraft.old(resource);
        Condition before = StatusDraft.condition(old, STALLED);
        boolean known = StatusDraft.isTrue(old, STALLED, REFUSED);
        Duration since = known && before != null
                ? Duration.between(Instant.parse(before.getLastTransitionTime()), now)
                : Duration.ZERO;
        Duration delay = since.compareTo(settings.retryDelay()) < 0 ? settings.retryDelay() : since;
        delay = delay.compareTo(settings.maxRetryDelay()) > 0 ? settings.maxRetryDelay() : delay;
        String message = "the API server refuses %s: %s".formatted(what, sentence);
        List<Action> actions = new ArrayList<>(write(resource, old, REFUSED, message, now));
        if (!known || before == null || !cause(message).equals(cause(before.getMessage()))) {
            String key = "refused-%s-%s".formatted(what, Changes.shortHash(cause(message)));
            actions.add(new Action.Emit(key, true, REFUSED, message));
        }
        return new PlanResult(actions, old, delay, false);
    }

    /** The plan for a resource that this operator can't read: it is left as it is until it or the operator changes. */
    public static PlanResult unreadable(LoraTraining resource, String problem, Instant now) {
        LoraTrainingStatus old = StatusDraft.old(resource);
        boolean going = resource.getMetadata().getDeletionTimestamp() != null;
        List<Action> actions =
                Finished.is(old) || going ? List.of() : write(resource, old, Changes.UNKNOWN_VALUE, problem, now);
        return new PlanResult(actions, old, null, false);
    }

    /** Without numbers, such as how much of a quota is used, which change from one refusal to the next. */
    private static String cause(String message) {
        return message.replaceAll("[0-9]+", "0");
    }

    private static List<Action> write(
            LoraTraining resource, LoraTrainingStatus old, String reason, String message, Instant now) {
        StatusDraft draft = new StatusDraft(resource, old, now);
        String phase = old.phase();
        draft.state(phase == null ? Stage.Prepare.name() : phase, List.of(STALLED), reason, message);
        LoraTrainingStatus status = draft.build();
        return status.equals(old) ? List.of() : List.of(new Action.WriteStatus(status));
    }
}
