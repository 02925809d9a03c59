package training.lora.operator.plan;

import io.fabric8.kubernetes.api.model.Condition;
import java.util.ArrayList;
import java.util.List;
import training.lora.api.LoraTraining;
import training.lora.api.Outcome;
import training.lora.api.Reason;
import training.lora.api.SpecValidator;
import training.lora.api.Stage;
import training.lora.api.StageStatus;

/**
 * What is wrong with a spec, and what that means for its run. One that has not started fails, and begins with a valid spec.
 * One that has may have worked for hours, and what makes its spec invalid may be another's doing, such as a setting of the
 * platform: what runs goes on, and nothing follows it until the spec is valid again.
 */
final class SpecProblems {
    private static final String REASON = Reason.InvalidConfiguration.name();

    private final LoraTraining resource;
    private final StatusDraft draft;
    private final Agenda agenda;
    private final RunEnd end;
    private final List<String> problems = new ArrayList<>();

    SpecProblems(LoraTraining resource, Settings settings, StatusDraft draft, Agenda agenda, RunEnd end) {
        this.resource = resource;
        this.draft = draft;
        this.agenda = agenda;
        this.end = end;
        if (resource.getSpec() == null) {
            problems.add("`spec` must be given");
        } else {
            problems.addAll(SpecValidator.problems(resource.getSpec()));
            problems.addAll(PodTemplates.problems(resource.getSpec(), settings.pods()));
        }
    }

    boolean any() {
        return !problems.isEmpty();
    }

    String sentence() {
        return String.join("; ", problems);
    }

    /** No attempt of the stage begins. */
    void refuse(Stage stage) {
        if (Changes.started(draft.build())) {
            stall(stage, sentence());
        } else {
            end.fail(Reason.InvalidConfiguration, sentence());
        }
    }

    /** No attempt follows the stage's newest one; that goes on if it has not ended. */
    void refuseNext(Stage stage) {
        StageStatus entry = draft.stage(stage);
        boolean over = draft.isTrue("Failed") || draft.isTrue("Complete") || draft.isTrue("Suspended");
        if (!any() || over || entry == null || entry.outcome() == Outcome.Succeeded) {
            return;
        }
        if (entry.outcome() != null) {
            refuse(stage);
        } else {
            stall(
                    stage,
                    "%s; %s, goes on as it was begun, and no other begins until this is corrected"
                            .formatted(sentence(), Entries.called(entry)));
        }
    }

    private void stall(Stage stage, String message) {
        Condition before = StatusDraft.condition(StatusDraft.old(resource), "Stalled");
        draft.state(stage.name(), List.of("Stalled"), REASON, message);
        if (before == null || !REASON.equals(before.getReason()) || !message.equals(before.getMessage())) {
            agenda.tell("invalid-" + Changes.shortHash(message), true, REASON, message);
        }
    }
}
