package training.lora.operator.plan;

import io.fabric8.kubernetes.api.model.Event;
import io.fabric8.kubernetes.api.model.ObjectReference;
import io.soabase.recordbuilder.core.RecordBuilder;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * An event of type Warning.
 *
 * @param kind of the object that it is about: Job, Pod or PersistentVolumeClaim
 * @param name of that object
 * @param uid of that object
 * @param reason for example FailedCreate
 * @param message what happened
 * @param time when it last did
 */
@RecordBuilder
public record Warning(
        String kind,
        String name,
        String uid,
        String reason,
        String message,
        @Nullable Instant time) {
    /** What a pod or a Job says once it went on: what kept it before then does so no more. */
    private static final Set<String> PROGRESS =
            Set.of("Scheduled", "Pulling", "Pulled", "Created", "Started", "SuccessfulCreate");

    /** Those of an object's events that are warnings of what still holds, as far as the events tell. */
    public static List<Warning> standing(List<Event> events) {
        Instant since = events.stream()
                .filter(e -> !isWarning(e) && PROGRESS.contains(e.getReason()))
                .map(Warning::time)
                .filter(Objects::nonNull)
                .max(Comparator.naturalOrder())
                .orElse(Instant.MIN);
        return events.stream()
                .filter(Warning::isWarning)
                .map(Warning::of)
                .filter(w -> w.time() == null || !w.time().isBefore(since))
                .toList();
    }

    private static boolean isWarning(Event event) {
        return "Warning".equals(event.getType());
    }

    /** When it last happened; the scheduler writes the newer form of events, which has a series. */
    private static @Nullable Instant time(Event event) {
        return Attempt.latest(
                Times.parse(event.getLastTimestamp()),
                event.getEventTime() == null
                        ? null
                        : Times.parse(event.getEventTime().getTime()),
                event.getSeries() == null || event.getSeries().getLastObservedTime() == null
                        ? null
                        : Times.parse(event.getSeries().getLastObservedTime().getTime()));
    }

    /** What {@code event} says. */
    public static Warning of(Event event) {
        ObjectReference about = event.getInvolvedObject();
        return WarningBuilder.builder()
                .kind(Objects.requireNonNullElse(about.getKind(), ""))
                .name(Objects.requireNonNullElse(about.getName(), ""))
                .uid(Objects.requireNonNullElse(about.getUid(), ""))
                .reason(Objects.requireNonNullElse(event.getReason(), ""))
                .message(Objects.requireNonNullElse(event.getMessage(), ""))
                .time(time(event))
                .build();
    }
}
