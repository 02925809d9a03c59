package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * All objects, in memory, with one resourceVersion that counts writes and a log of the latest ones for watches. Stored
 * trees are never changed: whoever writes brings a copy. A read-modify-write runs inside {@link #locked}.
 */
final class Store {
    private static final int LOG_SIZE = 20_000;

    /** Address of an object; {@code namespace} is empty for those of the cluster. */
    record Key(String type, String namespace, String name) {}

    enum Change {
        ADDED,
        MODIFIED,
        DELETED
    }

    /** A write: {@code before} is null for ADDED; {@code object} carries the write's resourceVersion, DELETED too. */
    record Event(
            String type,
            Change change,
            long version,
            @Nullable ObjectNode before,
            ObjectNode object) {}

    /** What a list or the start of a watch sees, at one version. */
    record Snapshot(long version, List<ObjectNode> objects) {}

    private final Map<String, NavigableMap<String, ObjectNode>> objects = new TreeMap<>();
    private final Deque<Event> log = new ArrayDeque<>();
    private final Set<Subscription> subscriptions = ConcurrentHashMap.newKeySet();
    private long version = 1;
    private long forgotten;

    synchronized <T> T locked(Supplier<T> action) {
        return action.get();
    }

    synchronized @Nullable ObjectNode get(Key key) {
        NavigableMap<String, ObjectNode> ofType = objects.get(key.type());
        return ofType == null ? null : ofType.get(path(key));
    }

    /** Creates or replaces; sets resourceVersion. */
    synchronized ObjectNode put(Key key, ObjectNode object) {
        version++;
        object.withObject("/metadata").put("resourceVersion", Long.toString(version));
        ObjectNode before =
                objects.computeIfAbsent(key.type(), k -> new TreeMap<>()).put(path(key), object);
        publish(new Event(key.type(), before == null ? Change.ADDED : Change.MODIFIED, version, before, object));
        return object;
    }

    synchronized void remove(Key key) {
        NavigableMap<String, ObjectNode> ofType = objects.get(key.type());
        ObjectNode before = ofType == null ? null : ofType.remove(path(key));
        if (before == null) {
            return;
        }
        version++;
        ObjectNode last = before.deepCopy();
        last.withObject("/metadata").put("resourceVersion", Long.toString(version));
        publish(new Event(key.type(), Change.DELETED, version, before, last));
    }

    /** Objects of a type, by namespace and name; an empty namespace means all of them. */
    synchronized Snapshot list(String type, String namespace) {
        NavigableMap<String, ObjectNode> ofType = objects.get(type);
        if (ofType == null) {
            return new Snapshot(version, List.of());
        }
        var chosen = namespace.isEmpty() ? ofType : ofType.subMap(namespace + "/", namespace + "0");
        return new Snapshot(version, new ArrayList<>(chosen.values()));
    }

    synchronized List<ObjectNode> all() {
        return objects.values().stream().flatMap(m -> m.values().stream()).toList();
    }

    synchronized long version() {
        return version;
    }

    /** Whether writes after this version are no longer in the log. */
    synchronized boolean hasForgotten(long since) {
        return since < forgotten;
    }

    /** Subscribes to writes after {@code since}; null: from now on, with what is there now in {@code initial}. */
    synchronized Subscription subscribe(String type, String namespace, @Nullable Long since) {
        var subscription = new Subscription(type, since == null ? list(type, namespace) : null);
        if (since != null) {
            log.stream()
                    .filter(e -> e.version() > since && e.type().equals(type))
                    .forEach(subscription.queue::add);
        }
        subscriptions.add(subscription);
        return subscription;
    }

    private void publish(Event event) {
        log.addLast(event);
        if (log.size() > LOG_SIZE) {
            forgotten = log.removeFirst().version();
        }
        for (Subscription s : subscriptions) {
            if (s.type.equals(event.type())) {
                s.queue.add(event);
            }
        }
    }

    // '/' sorts right before '0' and is in no name, so a namespace is one range.
    private static String path(Key key) {
        return key.namespace() + "/" + key.name();
    }

    /** The writes of one type that a watch has not seen yet. */
    final class Subscription implements AutoCloseable {
        private final String type;
        private final @Nullable Snapshot initial;
        private final BlockingQueue<Event> queue = new LinkedBlockingQueue<>();

        private Subscription(String type, @Nullable Snapshot initial) {
            this.type = type;
            this.initial = initial;
        }

        @Nullable Snapshot initial() {
            return initial;
        }

        BlockingQueue<Event> queue() {
            return queue;
        }

        @Override
        public void close() {
            subscriptions.remove(this);
        }
    }
}
