package training.lora.operator.progress;

import io.javaoperatorsdk.operator.processing.event.ResourceID;
import jakarta.inject.Singleton;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import training.lora.api.LoraTraining;
import training.lora.api.LoraTrainingStatus;
import training.lora.api.Progress;
import training.lora.api.ProgressMessage;
import training.lora.api.StageStatus;

/** The newest report of each resource, in memory. */
@Singleton
public class ProgressBoard {
    /** A report and whether it is worth a write of its own at once. */
    record Entry(String uid, ProgressMessage message, boolean urgent, boolean written) {}

    private final Map<ResourceID, Entry> entries = new ConcurrentHashMap<>();
    private volatile Function<ResourceID, Optional<LoraTraining>> resources = id -> Optional.empty();

    /** Tells where the resources are known from. */
    public void read(Function<ResourceID, Optional<LoraTraining>> cache) {
        resources = cache;
    }

    /** The resource as last heard of, or empty. */
    Optional<LoraTraining> resource(ResourceID id) {
        return resources.apply(id);
    }

    /** Keeps the report if none newer is known; false: it is stale or of another run. */
    boolean offer(LoraTraining resource, ProgressMessage message) {
        if (isOver(resource.getStatus(), message)) {
            return false;
        }
        ResourceID id = ResourceID.fromResource(resource);
        String uid = resource.getMetadata().getUid();
        boolean[] taken = {false};
        entries.compute(id, (key, before) -> {
            Entry last = before != null && before.uid().equals(uid) ? before : null;
            if (last != null && compare(message, last.message()) < 0) {
                return last;
            }
            taken[0] = true;
            boolean waiting = last != null && last.urgent() && !last.written();
            return new Entry(uid, message, waiting || isUrgent(message, last), false);
        });
        return taken[0];
    }

    private static boolean isUrgent(ProgressMessage message, @Nullable Entry last) {
        boolean first = last == null
                || last.message().stage() != message.stage()
                || !last.message().attempt().equals(message.attempt());
        return first || message.checkpoint() != null || message.step() >= message.steps();
    }

    /** Whether the status knows of something later than the report: after a restart the board itself is empty. */
    static boolean isOver(@Nullable LoraTrainingStatus status, ProgressMessage message) {
        if (status == null || !message.runId().equals(status.runId())) {
            return true;
        }
        for (StageStatus entry : status.stages()) {
            boolean later = entry.name().compareTo(message.stage()) > 0;
            boolean same = entry.name() == message.stage();
            if (later || (same && (entry.attempt() > message.attempt() || ended(entry, message)))) {
                return true;
            }
        }
        Progress written = status.progress();
        return written != null
                && written.step() != null
                && compare(message, written.stage(), written.attempt(), written.step()) < 0;
    }

    private static boolean ended(StageStatus entry, ProgressMessage message) {
        return entry.attempt().equals(message.attempt()) && entry.outcome() != null;
    }

    private static int compare(ProgressMessage a, ProgressMessage b) {
        return compare(a, b.stage(), b.attempt(), b.step());
    }

    private static int compare(ProgressMessage a, training.lora.api.Stage stage, int attempt, int step) {
        int stages = a.stage().compareTo(stage);
        int attempts = Integer.compare(a.attempt(), attempt);
        return stages != 0 ? stages : attempts != 0 ? attempts : Integer.compare(a.step(), step);
    }

    Map<ResourceID, Entry> entries() {
        return entries;
    }

    /** Notes that {@code entry} has been written, unless a newer one came meanwhile. */
    void written(ResourceID id, Entry entry) {
        entries.replace(id, entry, new Entry(entry.uid(), entry.message(), false, true));
    }

    /** Notes that {@code entry} could not be written: it waits its turn again. */
    void postpone(ResourceID id, Entry entry) {
        entries.replace(id, entry, new Entry(entry.uid(), entry.message(), false, false));
    }

    void forget(ResourceID id, Entry entry) {
        entries.remove(id, entry);
    }

    /** Resources that report. */
    int size() {
        return entries.size();
    }
}
