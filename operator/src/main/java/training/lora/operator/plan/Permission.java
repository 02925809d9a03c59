package training.lora.operator.plan;

import io.fabric8.kubernetes.api.model.Condition;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import training.lora.api.LoraTraining;
import training.lora.api.Stage;

/** Whether a stage may use the Secrets and the account that its spec names, which the platform says by a label. */
final class Permission {
    private static final String STALLED = "Stalled";
    /** What is looked at: the newest objects often, as people mend them, and others each minute. */
    private static final long SOONEST = 5;

    private static final long LATEST = 60;

    private final LoraTraining resource;
    private final Observed observed;
    private final StatusDraft draft;
    private final Agenda agenda;
    private final Instant now;

    Permission(LoraTraining resource, Observed observed, StatusDraft draft, Agenda agenda, Instant now) {
        this.resource = resource;
        this.observed = observed;
        this.draft = draft;
        this.agenda = agenda;
        this.now = now;
    }

    private record Refusal(String reason, String message) {}

    /** Whether the stage can't begin yet; then its condition says why, and when it is looked at again is settled. */
    boolean refuses(Stage stage) {
        for (Map.Entry<Reference, String> use :
                References.of(resource.getSpec(), stage).entrySet()) {
            ReferenceView view = observed.references().get(use.getKey());
            if (view == null) {
                // It was not wanted when Jobs and pods were read.
                agenda.wake(now.plusSeconds(1));
                return true;
            }
            Refusal refusal = refusal(use.getKey(), view, use.getValue());
            if (refusal != null) {
                stall(stage, refusal);
                return true;
            }
        }
        return false;
    }

    private @Nullable Refusal refusal(Reference reference, ReferenceView view, String field) {
        String kind = reference.kind().name();
        String namespace = resource.getMetadata().getNamespace();
        String what = "`%s` names %s".formatted(field, reference);
        String label = "`kubectl label -n %s %s %s %s=true`"
                .formatted(namespace, kind.toLowerCase(Locale.ROOT), reference.name(), ReferenceView.ALLOW);
        return switch (view.state()) {
            case ALLOWED -> null;
            case MISSING ->
                new Refusal(
                        kind + "NotFound",
                        "%s, which must exist in namespace %s and be labelled for trainings, by %s"
                                .formatted(what, namespace, label));
            case UNLABELLED ->
                new Refusal(
                        kind + "NotAllowed",
                        "%s, which must bear the label %s: \"true\"; who may change it does so by %s"
                                .formatted(what, ReferenceView.ALLOW, label));
            case HIDDEN ->
                new Refusal(
                        kind + "NotVisible",
                        "%s, whose label the operator may not look at: its role in namespace %s must allow get of %s"
                                .formatted(what, namespace, reference.kind().plural()));
        };
    }

    private void stall(Stage stage, Refusal refusal) {
        Condition before = StatusDraft.condition(StatusDraft.old(resource), STALLED);
        boolean known = before != null && refusal.message.equals(before.getMessage());
        draft.state(stage.name(), List.of(STALLED), refusal.reason, refusal.message);
        if (!known) {
            agenda.tell("refused-" + Changes.shortHash(refusal.message), true, refusal.reason, refusal.message);
        }
        agenda.wake(now.plusSeconds(before == null || !known ? SOONEST : pause(before, now, SOONEST, LATEST)));
    }

    /** A quarter of the time since the condition holds, within bounds. */
    static long pause(Condition condition, Instant now, long soonest, long latest) {
        long age = Duration.between(Instant.parse(condition.getLastTransitionTime()), now)
                .toSeconds();
        return Math.max(soonest, Math.min(latest, age / 4));
    }
}
