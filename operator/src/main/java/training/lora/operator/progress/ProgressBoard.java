package training.lora.operator.progress;

import io.fabric8.kubernetes.api.model.Pod;
import io.javaoperatorsdk.operator.processing.event.ResourceID;
import jakarta.inject.Singleton;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import training.lora.api.LoraTraining;
import training.lora.api.LoraTrainingStatus;
import training.lora.api.Progress;
import training.lora.api.ProgressMessage;
import training.lora.api.Stage;
import training.lora.api.StageStatus;

/**
 * The newest report of each resource, in memory. Within an attempt a report is newer if its pod is, or if the same pod
 * sent it later; its step says nothing, since a training that went out of bounds goes back some steps, as does a pod that
 * takes over from another at the last checkpoint.
 */
@Singleton
public class ProgressBoard {
    /** A report and whether it is worth a write of its own at once. */
    record Entry(String uid, Sender sender, ProgressMessage message, boolean urgent, boolean written) {}

    /** A pod that reports. */
    record Sender(String uid, Instant created) {}

    private final Map<ResourceID, Entry> entries = new ConcurrentHashMap<>();
    private volatile Function<ResourceID, Optional<LoraTraining>> resources = id -> Optional.empty();
    private volatile Function<ResourceID, Optional<Pod>> pods = id -> Optional.empty();

    /** Tells where the resources and their pods are known from. */
    public void read(
            Function<ResourceID, Optional<LoraTraining>> knownResources,
            Function<ResourceID, Optional<Pod>> knownPods) {
        resources = knownResources;
        pods = knownPods;
    }

    /** The resource as last heard of, or empty. */
    Optional<LoraTraining> resource(ResourceID id) {
        return resources.apply(id);
    }

    /** The pod as last heard of, or empty. */
    Optional<Pod> pod(ResourceID id) {
        return pods.apply(id);
    }

    /** Keeps the report if none newer is known; false: it is stale or of another run. */
    boolean offer(LoraTraining resource, Sender sender, ProgressMessage message) {
        if (isOver(resource.getStatus(), sender, message)) {
            return false;
        }
        ResourceID id = ResourceID.fromResource(resource);
        String uid = resource.getMetadata().getUid();
        boolean[] taken = {false};
        entries.compute(id, (key, before) -> {
            Entry last = before != null && before.uid().equals(uid) ? before : null;
            if (last != null && isOlder(sender, message, last)) {
                return last;
            }
            taken[0] = true;
            boolean waiting = last != null && last.urgent() && !last.written();
            return new Entry(uid, sender, message, waiting || isUrgent(sender, message, last), false);
        });
        return taken[0];
    }

    private static boolean isOlder(Sender sender, ProgressMessage message, Entry last) {
        int attempts =
                compareAttempts(message, last.message().stage(), last.message().attempt());
        if (attempts != 0) {
            return attempts < 0;
        }
        return sender.uid().equals(last.sender().uid())
                ? time(message.time()).isBefore(time(last.message().time()))
                : sender.created().isBefore(last.sender().created());
    }

    private static boolean isUrgent(Sender sender, ProgressMessage message, @Nullable Entry last) {
        boolean first = last == null
                || !sender.uid().equals(last.sender().uid())
                || last.message().stage() != message.stage()
                || !last.message().attempt().equals(message.attempt());
        return first || message.checkpoint() != null || message.step() >= message.steps();
    }

    /** Whether the status knows of something later than the report: after a restart the board itself is empty. */
    static boolean isOver(@Nullable LoraTrainingStatus status, Sender sender, ProgressMessage message) {
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
        if (written == null) {
            return false;
        }
        int attempts = compareAttempts(message, written.stage(), written.attempt());
        return attempts < 0 || (attempts == 0 && isOlder(sender, message, written));
    }

    /** Another replica may have written a later one. Times of two pods are those of two nodes' clocks. */
    private static boolean isOlder(Sender sender, ProgressMessage message, Progress written) {
        int pods = written.podCreationTime() == null ? 0 : sender.created().compareTo(time(written.podCreationTime()));
        boolean earlier = written.step() != null && time(message.time()).isBefore(time(written.lastUpdatedTime()));
        return pods < 0 || (pods == 0 && earlier);
    }

    private static boolean ended(StageStatus entry, ProgressMessage message) {
        return entry.attempt().equals(message.attempt()) && entry.outcome() != null;
    }

    private static int compareAttempts(ProgressMessage message, Stage stage, int attempt) {
        int stages = message.stage().compareTo(stage);
        return stages != 0 ? stages : Integer.compare(message.attempt(), attempt);
    }

    /** A time that is no time is the oldest. */
    static Instant time(String text) {
        try {
            return Instant.parse(text);
        } catch (DateTimeParseException e) {
            return Instant.EPOCH;
        }
    }

    Map<ResourceID, Entry> entries() {
        return entries;
    }

    /** Notes that {@code entry} has been written, unless a newer one came meanwhile. */
    void written(ResourceID id, Entry entry) {
        entries.replace(id, entry, new Entry(entry.uid(), entry.sender(), entry.message(), false, true));
    }

    /** Notes that {@code entry} could not be written: it waits its turn again. */
    void postpone(ResourceID id, Entry entry) {
        entries.replace(id, entry, new Entry(entry.uid(), entry.sender(), entry.message(), false, false));
    }

    void forget(ResourceID id, Entry entry) {
        entries.remove(id, entry);
    }

    /** How many resources report. */
    public int reporting() {
        return size();
    }

    int size() {
        return entries.size();
    }
}
