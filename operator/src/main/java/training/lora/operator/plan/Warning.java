package training.lora.operator.plan;

import io.fabric8.kubernetes.api.model.Event;
import io.fabric8.kubernetes.api.model.ObjectReference;
import io.soabase.recordbuilder.core.RecordBuilder;
import java.time.Instant;
import java.util.Objects;
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
    /** What {@code event} says. */
    public static Warning of(Event event) {
        ObjectReference about = event.getInvolvedObject();
        String last = event.getLastTimestamp();
        if (last == null && event.getEventTime() != null) {
            last = event.getEventTime().getTime();
        }
        return WarningBuilder.builder()
                .kind(Objects.requireNonNullElse(about.getKind(), ""))
                .name(Objects.requireNonNullElse(about.getName(), ""))
                .uid(Objects.requireNonNullElse(about.getUid(), ""))
                .reason(Objects.requireNonNullElse(event.getReason(), ""))
                .message(Objects.requireNonNullElse(event.getMessage(), ""))
                .time(Times.parse(last))
                .build();
    }
}
