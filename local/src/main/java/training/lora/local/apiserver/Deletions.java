package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Deletes objects, and collects what their owners, namespaces or CRDs leave behind. */
final class Deletions implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Deletions.class);
    private static final String FOREGROUND = "foregroundDeletion";
    private static final String ORPHAN = "orphan";
    private static final long SWEEP_MILLIS = 500;

    private final Store store;
    private final Registry registry;
    private final ExecutorService collector = Executors.newSingleThreadExecutor(r -> {
        Thread thread = new Thread(r, "garbage-collector");
        thread.setDaemon(true);
        return thread;
    });
    private final Semaphore work = new Semaphore(0);
    private volatile boolean closed;

    Deletions(Store store, Registry registry) {
        this.store = store;
        this.registry = registry;
    }

    void start() {
        collector.execute(this::collectUntilClosed);
    }

    /** Deletes, or marks as being deleted; returns the object as it is then. {@code options} is a DeleteOptions. */
    ObjectNode delete(Resource resource, Store.Key key, JsonNode options) {
        ObjectNode result = store.locked(() -> {
            ObjectNode present = store.get(key);
            if (present == null) {
                throw ApiException.notFound(resource, key.name());
            }
            checkPreconditions(resource, key, present, options.path("preconditions"));
            ObjectNode marked = marked(resource, present, options);
            boolean stays = !marked.path("metadata").path("finalizers").isEmpty()
                    || BuiltInRules.isHeldWhileDeleted(resource, marked);
            if (stays) {
                return sameMark(present, marked) ? present : store.put(key, marked);
            }
            store.remove(key);
            return marked;
        });
        work.release();
        return result;
    }

    private static boolean sameMark(ObjectNode present, ObjectNode marked) {
        return present.path("metadata").has("deletionTimestamp")
                && present.path("metadata")
                        .path("deletionGracePeriodSeconds")
                        .equals(marked.path("metadata").path("deletionGracePeriodSeconds"))
                && present.path("metadata")
                        .path("finalizers")
                        .equals(marked.path("metadata").path("finalizers"));
    }

    private static void checkPreconditions(
            Resource resource, Store.Key key, ObjectNode present, JsonNode preconditions) {
        for (String field : List.of("uid", "resourceVersion")) {
            String wanted = preconditions.path(field).asText("");
            String is = present.path("metadata").path(field).asText();
            if (!wanted.isEmpty() && !wanted.equals(is)) {
                throw ApiException.conflict(
                        resource,
                        key.name(),
                        "the " + field + " in the precondition (" + wanted + ") does not match the " + field
                                + " in record (" + is + "). The object might have been deleted and then recreated");
            }
        }
    }

    private static ObjectNode marked(Resource resource, ObjectNode present, JsonNode options) {
        ObjectNode object = present.deepCopy();
        ObjectNode metadata = object.withObject("/metadata");
        boolean first = !metadata.has("deletionTimestamp");
        if (first) {
            metadata.put("deletionTimestamp", ObjectWriter.now());
            metadata.put("generation", metadata.path("generation").asLong() + 1);
            switch (options.path("propagationPolicy").asText("Background")) {
                case "Foreground" -> metadata.withArray("finalizers").add(FOREGROUND);
                case "Orphan" -> metadata.withArray("finalizers").add(ORPHAN);
                default -> {}
            }
        }
        long grace = 0;
        if (resource.is("pods") && BuiltInRules.runs(object)) {
            grace = options.path("gracePeriodSeconds")
                    .asLong(object.path("spec")
                            .path("terminationGracePeriodSeconds")
                            .asLong(30));
        }
        if (first || grace < metadata.path("deletionGracePeriodSeconds").asLong()) {
            metadata.put("deletionGracePeriodSeconds", grace);
        }
        if (resource.is("namespaces")) {
            object.withObject("/status").put("phase", "Terminating");
        }
        return object;
    }

    /** Says that a write may have left something to collect. */
    void changed() {
        work.release();
    }

    private void collectUntilClosed() {
        try {
            while (!closed) {
                // A rare sweep without a call covers owners that were gone before their dependents came.
                if (work.tryAcquire(SWEEP_MILLIS, TimeUnit.MILLISECONDS)) {
                    work.drainPermits();
                }
                sweepSafely();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void sweepSafely() {
        try {
            while (store.locked(this::sweep)) {
                // Each sweep can free the next one.
            }
        } catch (ApiException e) {
            LOG.warn("garbage collection stopped early and goes on later: {}", e.getMessage());
        }
    }

    private boolean sweep() {
        List<ObjectNode> all = store.all();
        Set<String> uids = new HashSet<>();
        all.forEach(o -> uids.add(o.path("metadata").path("uid").asText()));
        boolean again = false;
        for (ObjectNode object : all) {
            JsonNode owners = object.path("metadata").path("ownerReferences");
            boolean orphaned = !owners.isEmpty();
            for (JsonNode owner : owners) {
                orphaned &= !uids.contains(owner.path("uid").asText());
            }
            if (orphaned && !isDeleted(object)) {
                again |= deleteIfThere(object);
            } else if (isDeleted(object)) {
                again |= finish(object, all);
            }
        }
        return again;
    }

    private boolean finish(ObjectNode object, List<ObjectNode> all) {
        String uid = object.path("metadata").path("uid").asText();
        List<ObjectNode> dependents = all.stream().filter(o -> owns(uid, o)).toList();
        if (hasFinalizer(object, ORPHAN)) {
            dependents.forEach(d -> disown(uid, d));
            return removeFinalizer(object, ORPHAN);
        }
        if (hasFinalizer(object, FOREGROUND)) {
            if (dependents.isEmpty()) {
                return removeFinalizer(object, FOREGROUND);
            }
            boolean any = false;
            for (ObjectNode dependent : dependents) {
                any |= !isDeleted(dependent) && deleteIfThere(dependent);
            }
            return any;
        }
        return finishContainer(object);
    }

    // A namespace goes when it is empty, a CRD when it has no instances.
    private boolean finishContainer(ObjectNode object) {
        Resource resource = resourceOf(object);
        List<ObjectNode> contents;
        if (resource.is("namespaces")) {
            String namespace = object.path("metadata").path("name").asText();
            contents = store.all().stream()
                    .filter(o -> o.path("metadata").path("namespace").asText().equals(namespace))
                    .toList();
        } else if (resource.is(Registry.CRDS)) {
            contents = store.list(object.path("metadata").path("name").asText(), "")
                    .objects();
        } else {
            return false;
        }
        boolean any = false;
        for (ObjectNode content : contents) {
            any |= !isDeleted(content) && deleteIfThere(content);
        }
        if (contents.isEmpty() && object.path("metadata").path("finalizers").isEmpty()) {
            store.remove(keyOf(object));
            if (resource.is(Registry.CRDS)) {
                registry.unregister(object);
            }
            return true;
        }
        return any;
    }

    private boolean deleteIfThere(ObjectNode object) {
        Store.Key key = keyOf(object);
        if (store.get(key) == null) {
            return false;
        }
        delete(resourceOf(object), key, object.objectNode());
        return true;
    }

    private boolean removeFinalizer(ObjectNode object, String finalizer) {
        ObjectNode copy =
                Optional.ofNullable(store.get(keyOf(object))).orElse(object).deepCopy();
        ArrayNode finalizers = copy.withObject("/metadata").withArray("finalizers");
        finalizers.remove(ListType.SET.indexOf(finalizers, finalizers.textNode(finalizer)));
        boolean gone = finalizers.isEmpty() && !BuiltInRules.isHeldWhileDeleted(resourceOf(copy), copy);
        if (gone) {
            store.remove(keyOf(copy));
        } else {
            store.put(keyOf(copy), copy);
        }
        return true;
    }

    private void disown(String uid, ObjectNode dependent) {
        ObjectNode copy = Optional.ofNullable(store.get(keyOf(dependent)))
                .orElse(dependent)
                .deepCopy();
        ArrayNode owners = copy.withObject("/metadata").withArray("ownerReferences");
        owners.removeIf(o -> o.path("uid").asText().equals(uid));
        store.put(keyOf(copy), copy);
    }

    private static boolean owns(String uid, ObjectNode object) {
        for (JsonNode owner : object.path("metadata").path("ownerReferences")) {
            if (owner.path("uid").asText().equals(uid)) {
                return true;
            }
        }
        return false;
    }

    private static boolean isDeleted(ObjectNode object) {
        return object.path("metadata").has("deletionTimestamp");
    }

    private static boolean hasFinalizer(ObjectNode object, String finalizer) {
        JsonNode finalizers = object.path("metadata").path("finalizers");
        return ListType.SET.indexOf(finalizers, object.textNode(finalizer)) >= 0;
    }

    private Resource resourceOf(ObjectNode object) {
        return registry.all().stream()
                .filter(r -> r.isKindOf(object))
                .findFirst()
                .orElseThrow(() -> ApiException.notFound("no resource type serves "
                        + object.path("apiVersion").asText() + " "
                        + object.path("kind").asText()));
    }

    private Store.Key keyOf(ObjectNode object) {
        JsonNode metadata = object.path("metadata");
        return new Store.Key(
                resourceOf(object).storageKey(),
                metadata.path("namespace").asText(""),
                metadata.path("name").asText());
    }

    @Override
    public void close() {
        closed = true;
        work.release();
        collector.shutdownNow();
    }
}
