package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * All objects, in memory, with one resourceVersion that counts writes and a log of the latest ones for watches. Stored
 * trees are never changed: whoever writes brings a copy. A read-modify-write runs inside {@link #locked}.
 */
final class Store {
    private static final int LOG_SIZE = 20_000;

    /** Address of an object; {@code namespace} is empty for those of the cluster. */
    record Key(String type, String namespace, String name) {
        private String path() {
            return namespace + "/" + name;
        }
    }

    /** A write; null where the object was not before, or is not any more. */
    record Event(
            String type,
            long version,
            @Nullable ObjectNode before,
            @Nullable ObjectNode after) {
        /** The object as a watch shows it. */
        ObjectNode object() {
            if (after != null) {
                return after;
            }
            ObjectNode last = java.util.Objects.requireNonNull(before).deepCopy();
            Meta.of(last).put("resourceVersion", Long.toString(version));
            return last;
        }

        /** What it is to a watch of what {@code selector} chooses; empty if it is nothing. */
        String type(Predicate<ObjectNode> selector) {
            boolean was = before != null && selector.test(before);
            boolean is = after != null && selector.test(after);
            return is ? was ? "MODIFIED" : "ADDED" : was ? "DELETED" : "";
        }
    }

    /** What a list sees, at one version. */
    record Snapshot(long version, List<ObjectNode> objects) {}

    private final Map<String, TreeMap<String, ObjectNode>> objects = new TreeMap<>();
    private final Deque<Event> log = new ArrayDeque<>();
    private final Set<Subscription> subscriptions = ConcurrentHashMap.newKeySet();
    private long version = 1;
    private long forgotten;

    synchronized <T> T locked(Supplier<T> action) {
        return action.get();
    }

    private TreeMap<String, ObjectNode> ofType(String type) {
        return objects.computeIfAbsent(type, k -> new TreeMap<>());
    }

    synchronized @Nullable ObjectNode get(Key key) {
        return ofType(key.type()).get(key.path());
    }

    /** Creates or replaces; sets resourceVersion. */
    synchronized ObjectNode put(Key key, ObjectNode object) {
        version++;
        Meta.of(object).put("resourceVersion", Long.toString(version));
        publish(new Event(key.type(), version, ofType(key.type()).put(key.path(), object), object));
        return object;
    }

    synchronized void remove(Key key) {
        ObjectNode before = ofType(key.type()).remove(key.path());
        if (before != null) {
            version++;
            publish(new Event(key.type(), version, before, null));
        }
    }

    /** Objects of a type, by namespace and name. */
    synchronized Snapshot list(String type) {
        return new Snapshot(version, List.copyOf(ofType(type).values()));
    }

    synchronized List<ObjectNode> all() {
        return objects.values().stream().flatMap(m -> m.values().stream()).toList();
    }

    synchronized long version() {
        return version;
    }

    /** Subscribes to writes after {@code since}; 0: from now on, and what is there now comes as if it were written. */
    synchronized Subscription subscribe(String type, long since) {
        var subscription = new Subscription(type, since > 0 && since < forgotten);
        if (since == 0) {
            ofType(type).values().forEach(o -> subscription.queue.add(new Event(type, version, null, o)));
        } else {
            log.stream().filter(e -> e.version() > since).forEach(subscription::offer);
        }
        subscriptions.add(subscription);
        return subscription;
    }

    private void publish(Event event) {
        log.addLast(event);
        if (log.size() > LOG_SIZE) {
            forgotten = log.removeFirst().version();
        }
        subscriptions.forEach(s -> s.offer(event));
    }

    /** The writes of one type that a watch has not seen yet. */
    final class Subscription implements AutoCloseable {
        private final String type;
        private final boolean isTooLate;
        private final BlockingQueue<Event> queue = new LinkedBlockingQueue<>();

        private Subscription(String type, boolean isTooLate) {
            this.type = type;
            this.isTooLate = isTooLate;
        }

        private void offer(Event event) {
            if (event.type().equals(type)) {
                queue.add(event);
            }
        }

        /** Whether the log no longer reaches back to where it should begin. */
        boolean isTooLate() {
            return isTooLate;
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
