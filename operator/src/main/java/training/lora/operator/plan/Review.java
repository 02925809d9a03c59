package training.lora.operator.plan;

import io.fabric8.kubernetes.api.model.Condition;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import training.lora.api.Artifact;
import training.lora.api.LoraTraining;
import training.lora.api.Outcome;
import training.lora.api.Reason;
import training.lora.api.Stage;
import training.lora.api.StageStatus;
import training.lora.api.StageStatusBuilder;

/**
 * The wait between Prepare and Train until a person has looked at the captions, which an annotation says. Captions that are
 * wrong then end no run: it waits again, for another value of the annotation.
 */
public final class Review {
    static final String AWAITING = "AwaitingReview";

    private final LoraTraining resource;
    private final StatusDraft draft;
    private final Agenda agenda;
    private final Instant now;

    Review(LoraTraining resource, StatusDraft draft, Agenda agenda, Instant now) {
        this.resource = resource;
        this.draft = draft;
        this.agenda = agenda;
        this.now = now;
    }

    /** What the annotation says; null where nobody has looked. */
    public static @Nullable String value(LoraTraining resource) {
        Map<String, String> annotations = resource.getMetadata().getAnnotations();
        String value = annotations == null ? null : annotations.get(Names.CAPTIONS_REVIEWED);
        return value == null || value.isBlank() || value.strip().equalsIgnoreCase("false") ? null : value;
    }

    /** What the entry of an attempt of the stage notes of it; null: nothing. */
    static @Nullable String noted(LoraTraining resource, Stage stage) {
        String value = value(resource);
        return value == null || !pauses(resource, stage) ? null : Changes.hash(value);
    }

    /** Whether the stage comes after the wait. */
    static boolean pauses(LoraTraining resource, Stage stage) {
        return stage == Stage.Train
                && resource.getSpec().preparation().captions().pauseForReview();
    }

    /** Whether the stage waits for a person; then its condition says so. Once it has begun it waits only for captions. */
    boolean awaits(Stage stage, @Nullable StageStatus entry) {
        boolean wrong = entry != null && entry.reason() == Reason.InvalidCaptions;
        if (!pauses(resource, stage) || (entry != null && !wrong)) {
            return false;
        }
        String value = noted(resource, stage);
        if (value != null && (entry == null || !value.equals(entry.review()))) {
            return false;
        }
        if (entry != null && value == null) {
            // Who takes the annotation away may give it again with the value that it had.
            draft.stage(StageStatusBuilder.builder(entry).review(null).build());
        }
        say(entry);
        return true;
    }

    private void say(@Nullable StageStatus entry) {
        String annotate = "`kubectl annotate --overwrite loratraining -n %s %s %s=%s`"
                .formatted(
                        resource.getMetadata().getNamespace(),
                        resource.getMetadata().getName(),
                        Names.CAPTIONS_REVIEWED,
                        entry == null ? "true" : "attempt-" + (entry.attempt() + 1));
        String message = entry == null
                ? "the captions wait for a look in %s; when they are as they should be, %s goes on"
                        .formatted(place(), annotate)
                : "%s: %s; when %s is mended, %s goes on"
                        .formatted(Entries.called(entry), entry.message(), place(), annotate);
        Condition before = StatusDraft.condition(StatusDraft.old(resource), AWAITING);
        draft.state(AWAITING, List.of("Reconciling", AWAITING), AWAITING, message);
        if (before == null || !message.equals(before.getMessage())) {
            agenda.tell("review-" + Changes.shortHash(message), entry != null, AWAITING, message);
        }
    }

    private String place() {
        return StatusDraft.old(resource).artifacts().stream()
                .filter(artifact -> artifact.name().equals("captions"))
                .map(Artifact::uri)
                .findFirst()
                .orElse("captions.jsonl of the output");
    }

    /** Whether the attempt ended by captions that a person has to mend, which is nobody's failure; then that is noted. */
    boolean sendsBack(StageStatus entry, StageEnd how) {
        if (how.reason() != Reason.InvalidCaptions || !pauses(resource, entry.name())) {
            return false;
        }
        String message = Objects.requireNonNullElse(how.message(), "no message");
        draft.stage(Entries.ended(entry, Outcome.Failed, how.reason(), message, now));
        agenda.again();
        return true;
    }
}
