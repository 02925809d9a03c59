package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

/** Deletes objects, and collects what their owners leave behind. */
final class Deletions {
    private static final String FOREGROUND = "foregroundDeletion";
    private static final long DEFAULT_GRACE = 30;

    private final Store store;
    private final Registry registry;

    Deletions(Store store, Registry registry) {
        this.store = store;
        this.registry = registry;
    }

    /** Deletes, or marks as being deleted; returns the object as it is then. {@code options} is a DeleteOptions. */
    ObjectNode delete(Resource resource, Store.Key key, JsonNode options) {
        if (!resource.namespaced()) {
            throw ApiException.methodNotAllowed("the deletion of " + resource.plural());
        }
        ObjectNode present = store.get(key);
        if (present == null) {
            throw ApiException.notFound(resource, key.name());
        }
        checkPreconditions(resource, present, options.path("preconditions"));
        ObjectNode marked = marked(resource, present, options);
        if (Meta.finalizers(marked).isEmpty() && !BuiltInRules.isHeldWhileDeleted(resource, marked)) {
            store.remove(key);
            return marked;
        }
        return marked.equals(present) ? present : store.put(key, marked);
    }

    private static void checkPreconditions(Resource resource, ObjectNode present, JsonNode preconditions) {
        for (String field : List.of("uid", "resourceVersion")) {
            String wanted = preconditions.path(field).asText("");
            String is = Meta.text(present, field);
            if (!wanted.isEmpty() && !wanted.equals(is)) {
                throw ApiException.conflict(
                        resource,
                        Meta.name(present),
                        "the precondition's " + field + " is " + wanted + ", it is " + is);
            }
        }
    }

    private static ObjectNode marked(Resource resource, ObjectNode present, JsonNode options) {
        ObjectNode object = present.deepCopy();
        ObjectNode metadata = Meta.of(object);
        boolean first = !Meta.isDeleted(object);
        if (first) {
            metadata.put("deletionTimestamp", ObjectWriter.now());
            switch (options.path("propagationPolicy").asText("Background")) {
                case "Background" -> {}
                case "Foreground" -> metadata.withArray("finalizers").add(FOREGROUND);
                default ->
                    throw ApiException.badRequest("this embedded API server does not support the propagationPolicy "
                            + options.get("propagationPolicy"));
            }
        }
        long grace = 0;
        if (resource.is("pods") && BuiltInRules.runs(object)) {
            grace = options.path("gracePeriodSeconds")
                    .asLong(object.at("/spec/terminationGracePeriodSeconds").asLong(DEFAULT_GRACE));
        }
        if (first || grace < metadata.path("deletionGracePeriodSeconds").asLong()) {
            metadata.put("deletionGracePeriodSeconds", grace);
        }
        return object;
    }

    /** Deletes what has owners of which none is left; to be called after every write. */
    void collect() {
        while (sweep()) {
            // Each sweep can free the next one.
        }
    }

    private boolean sweep() {
        List<ObjectNode> all = store.all();
        Set<String> uids = all.stream().map(Meta::uid).collect(Collectors.toSet());
        long before = store.version();
        for (ObjectNode object : all) {
            List<String> owners = Meta.owners(object);
            if (!Meta.isDeleted(object) && !owners.isEmpty() && owners.stream().noneMatch(uids::contains)) {
                delete(object);
            } else if (Meta.finalizers(object).contains(FOREGROUND)) {
                deleteDependents(object, all);
            }
        }
        return store.version() != before;
    }

    private void deleteDependents(ObjectNode owner, List<ObjectNode> all) {
        List<ObjectNode> dependents = all.stream()
                .filter(o -> Meta.owners(o).contains(Meta.uid(owner)))
                .toList();
        dependents.stream().filter(d -> !Meta.isDeleted(d)).forEach(this::delete);
        if (dependents.isEmpty()) {
            ObjectNode object = owner.deepCopy();
            Meta.of(object).withArray("finalizers").removeIf(f -> f.asText().equals(FOREGROUND));
            store.put(registry.of(object).key(object), object);
            delete(object);
        }
    }

    private void delete(ObjectNode object) {
        Resource resource = registry.of(object);
        Store.Key key = resource.key(object);
        if (resource.namespaced() && store.get(key) != null) {
            delete(resource, key, object.objectNode());
        }
    }
}
