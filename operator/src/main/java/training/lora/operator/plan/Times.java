package training.lora.operator.plan;

import java.time.DateTimeException;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/** Times as Kubernetes writes them. */
final class Times {
    private Times() {}

    /** Null for what is absent, unreadable, or the zero that stands for "never" in a container that couldn't start. */
    static @Nullable Instant parse(@Nullable String time) {
        if (time == null || time.isEmpty()) {
            return null;
        }
        try {
            Instant instant = Instant.parse(time);
            return instant.getEpochSecond() <= 0 ? null : instant;
        } catch (DateTimeException e) {
            return null;
        }
    }
}
