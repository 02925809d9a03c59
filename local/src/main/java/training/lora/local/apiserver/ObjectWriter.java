package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** The way of every object into the store: unknown fields, defaults, metadata, validation, generation, finalizers. */
final class ObjectWriter {
    private static final Pattern SUBDOMAIN =
            Pattern.compile("[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*");
    private static final int LONGEST_NAME = 253;
    private static final Set<String> METADATA = Set.of(
            "annotations",
            "creationTimestamp",
            "deletionGracePeriodSeconds",
            "deletionTimestamp",
            "finalizers",
            "generation",
            "labels",
            "managedFields",
            "name",
            "namespace",
            "ownerReferences",
            "resourceVersion",
            "uid");
    /** What a writer can't change, and needs not give. */
    private static final List<String> THE_SERVERS = List.of(
            "uid",
            "namespace",
            "creationTimestamp",
            "generation",
            "resourceVersion",
            "deletionTimestamp",
            "deletionGracePeriodSeconds");

    private final Store store;
    private final Registry registry;

    ObjectWriter(Store store, Registry registry) {
        this.store = store;
        this.registry = registry;
    }

    static String now() {
        return Instant.now().truncatedTo(ChronoUnit.SECONDS).toString();
    }

    ObjectNode create(Resource resource, Store.Key key, ObjectNode object) {
        if (store.get(key) != null) {
            throw ApiException.alreadyExists(resource, key.name());
        }
        check(resource, key, object);
        ObjectNode metadata = Meta.of(object);
        if (metadata.has("resourceVersion")) {
            throw ApiException.badRequest("resourceVersion should not be set on objects to be created");
        }
        metadata.remove(THE_SERVERS);
        metadata.put("uid", UUID.randomUUID().toString())
                .put("creationTimestamp", now())
                .put("generation", 1);
        if (resource.namespaced()) {
            metadata.put("namespace", key.namespace());
        }
        object.remove("status");
        fillInAndValidate(resource, null, object);
        return store.put(key, object);
    }

    /**
     * Writes {@code after} over {@code before} and returns what is stored then.
     *
     * @param status whether it goes to the status subresource
     */
    ObjectNode update(Resource resource, Store.Key key, ObjectNode before, ObjectNode after, boolean status) {
        check(resource, key, after);
        String version = Meta.text(after, "resourceVersion");
        if (!version.isEmpty() && !version.equals(Meta.text(before, "resourceVersion"))) {
            throw ApiException.conflict(
                    resource,
                    key.name(),
                    "the object has been modified; please apply your changes to the latest version and try again");
        }
        String uid = Meta.uid(after);
        if (!uid.isEmpty() && !uid.equals(Meta.uid(before))) {
            throw ApiException.conflict(
                    resource, key.name(), "its uid is " + Meta.uid(before) + ", the one in the request " + uid);
        }
        ObjectNode object = status ? before.deepCopy() : after;
        replace(object, "status", (status ? after : before).get("status"));
        for (String field : THE_SERVERS) {
            replace(Meta.of(object), field, before.path("metadata").get(field));
        }
        fillInAndValidate(resource, before, object);
        if (object.equals(before)) {
            return before;
        }
        if (!desire(object).equals(desire(before))) {
            Meta.of(object).put("generation", before.at("/metadata/generation").asLong() + 1);
        }
        if (Meta.isDeleted(object)
                && Meta.finalizers(object).isEmpty()
                && !BuiltInRules.isHeldWhileDeleted(resource, object)) {
            store.remove(key);
            return object;
        }
        return store.put(key, object);
    }

    private static void check(Resource resource, Store.Key key, ObjectNode object) {
        if (!resource.isKindOf(object)) {
            throw ApiException.badRequest("the object must be of " + resource.apiVersion() + ", kind " + resource.kind()
                    + ", was " + object.path("apiVersion") + ", " + object.path("kind"));
        }
        String namespace = Meta.namespace(object);
        boolean inPlace = namespace.isEmpty() || namespace.equals(key.namespace());
        if (!inPlace || !Meta.name(object).equals(key.name())) {
            throw ApiException.badRequest("name and namespace of the object must be those of the URL, "
                    + key.namespace() + "/" + key.name() + ", were " + namespace + "/" + Meta.name(object));
        }
        List<String> unknown = new ArrayList<>();
        JsonNode metadata = object.path("metadata");
        metadata.fieldNames().forEachRemaining(name -> {
            if (!METADATA.contains(name)) {
                unknown.add("metadata." + name);
            }
        });
        if (resource.custom() != null) {
            unknown.addAll(resource.custom().schema().unknownFields(object));
        }
        if (!unknown.isEmpty()) {
            throw ApiException.badRequest("unknown field \"" + String.join("\", unknown field \"", unknown) + "\"");
        }
        for (String field : List.of("labels", "annotations")) {
            for (JsonNode value : metadata.path(field)) {
                if (!value.isTextual()) {
                    throw ApiException.badRequest("`metadata." + field + "` must hold strings, was " + value);
                }
            }
        }
    }

    private static void replace(ObjectNode object, String field, @Nullable JsonNode value) {
        if (value == null) {
            object.remove(field);
        } else {
            object.set(field, value.deepCopy());
        }
    }

    private void fillInAndValidate(Resource resource, @Nullable ObjectNode before, ObjectNode object) {
        List<String> causes = new ArrayList<>();
        String name = Meta.name(object);
        if (!SUBDOMAIN.matcher(name).matches() || name.length() > LONGEST_NAME) {
            causes.add("metadata.name: must be lower case letters, digits, '-' or '.', was \"" + name + "\"");
        }
        Resource.Custom custom = resource.custom();
        if (custom == null) {
            BuiltInRules.fillIn(resource, object);
            causes.addAll(BuiltInRules.validate(resource, before, object));
        } else {
            custom.schema().applyDefaults(object);
            causes.addAll(custom.schema().validate(object));
            if (causes.isEmpty()) {
                causes.addAll(custom.rules().validate(object, before));
            }
        }
        if (!causes.isEmpty()) {
            throw ApiException.invalid(resource, name, causes);
        }
        if (resource.is(Registry.CRDS)) {
            registry.register(object);
        }
    }

    /** Everything but metadata and status. */
    private static ObjectNode desire(ObjectNode object) {
        ObjectNode copy = object.objectNode().setAll(object);
        return copy.remove(List.of("metadata", "status"));
    }
}
