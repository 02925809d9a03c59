package training.lora.operator.reconcile;

import io.javaoperatorsdk.operator.processing.event.ResourceID;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import training.lora.api.LoraTraining;
import training.lora.operator.plan.Wanted;

/**
 * When it was last asked why a run's pod does not start. What stands in the status is asked for again after a while only, be
 * the operator a new one: hundreds of pods may wait for one and the same thing.
 */
final class Inquiries {
    static final Duration AGAIN = Duration.ofMinutes(1);

    /** What was read is read once more within this time, before what it says is written. */
    private static final Duration CONFIRMED = Duration.ofSeconds(2);

    private final Map<ResourceID, Instant> times = new ConcurrentHashMap<>();

    /** What of {@code wanted} is to be read now. */
    Wanted due(LoraTraining resource, Wanted wanted, Instant now) {
        ResourceID id = ResourceID.fromResource(resource);
        if (!wanted.why()) {
            times.remove(id);
            return wanted;
        }
        if (wanted.told()) {
            // Those of a restart are spread over the time, or all of them would be asked for at its end.
            long spread = Math.floorMod(id.hashCode(), AGAIN.minus(CONFIRMED).toSeconds());
            Instant unknown = now.minus(CONFIRMED).minusSeconds(spread);
            Instant last = times.computeIfAbsent(id, key -> unknown);
            if (now.isBefore(last.plus(CONFIRMED))) {
                return wanted;
            }
            if (now.isBefore(last.plus(AGAIN))) {
                return wanted.withoutWhy();
            }
        }
        times.put(id, now);
        return wanted;
    }
}
