package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import training.lora.local.apiserver.ApiException.Cause;

/** The way of every object into the store: unknown fields, defaults, metadata, validation, generation, finalizers. */
final class ObjectWriter {
    private static final Pattern SUBDOMAIN =
            Pattern.compile("[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*");
    private static final String NAME_RULE = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric"
            + " characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com',"
            + " regex used for validation is '" + SUBDOMAIN.pattern() + "')";

    /**
     * How a write is meant.
     *
     * @param fieldValidation Strict, Warn or Ignore
     * @param status whether it goes to the status subresource
     * @param applied the fields that a server-side apply brought; null for other writes
     * @param warnings receives what goes into the Warning headers
     */
    record Options(
            String manager,
            String fieldValidation,
            boolean status,
            boolean dryRun,
            @Nullable ObjectNode applied,
            List<String> warnings) {}

    private final Store store;
    private final Registry registry;

    ObjectWriter(Store store, Registry registry) {
        this.store = store;
        this.registry = registry;
    }

    static String now() {
        return Instant.now().truncatedTo(ChronoUnit.SECONDS).toString();
    }

    /** Writes {@code after} over {@code before} (null: creates it) and returns what is stored, or would be. */
    ObjectNode write(Resource resource, Store.Key key, @Nullable ObjectNode before, ObjectNode after, Options options) {
        checkIdentity(resource, key, after);
        checkFields(resource, after, options);
        ObjectNode object = before == null ? create(resource, key, after) : update(resource, before, after, options);
        fillIn(resource, before, object);
        validate(resource, before, object);
        if (before != null && sameContent(before, object)) {
            return before;
        }
        if (before != null && !sameDesire(before, object)) {
            metadata(object)
                    .put(
                            "generation",
                            before.path("metadata").path("generation").asLong() + 1);
        }
        ManagedFields.record(
                object,
                options.manager,
                options.applied == null ? "Update" : "Apply",
                options.status ? "status" : "",
                now(),
                options.applied == null ? JsonNodeFactory.instance.objectNode() : options.applied);
        return options.dryRun ? object : commit(resource, key, object);
    }

    private ObjectNode commit(Resource resource, Store.Key key, ObjectNode object) {
        boolean isCrd = resource.is(Registry.CRDS);
        if (object.path("metadata").has("deletionTimestamp")
                && object.path("metadata").path("finalizers").isEmpty()
                && !BuiltInRules.isHeldWhileDeleted(resource, object)) {
            store.remove(key);
            if (isCrd) {
                registry.unregister(object);
            }
            return object;
        }
        if (isCrd) {
            registry.register(object);
        }
        return store.put(key, object);
    }

    private static ObjectNode metadata(ObjectNode object) {
        return object.withObject("/metadata");
    }

    private static void checkIdentity(Resource resource, Store.Key key, ObjectNode after) {
        if (!resource.isKindOf(after)) {
            throw ApiException.badRequest("the object provided is unrecognized: must be " + resource.apiVersion()
                    + ", Kind=" + resource.kind() + ", was "
                    + after.path("apiVersion").asText("without apiVersion") + ", Kind="
                    + after.path("kind").asText("unset"));
        }
        JsonNode metadata = after.path("metadata");
        for (String field : List.of("labels", "annotations")) {
            for (JsonNode value : metadata.path(field)) {
                if (!value.isTextual()) {
                    throw ApiException.badRequest(resource.kind() + " in version \"" + resource.version()
                            + "\" cannot be handled as a " + resource.kind() + ": `metadata." + field
                            + "` must hold strings, was " + value);
                }
            }
        }
        if (!metadata.path("name").asText().equals(key.name())) {
            throw ApiException.badRequest("the name of the object ("
                    + metadata.path("name").asText() + ") does not match the name on the URL (" + key.name() + ")");
        }
        String namespace = metadata.path("namespace").asText("");
        if (!namespace.isEmpty() && !namespace.equals(key.namespace())) {
            throw ApiException.badRequest(
                    "the namespace of the provided object does not match the namespace sent on" + " the request");
        }
    }

    private static void checkFields(Resource resource, ObjectNode after, Options options) {
        Set<String> unknown = new TreeSet<>();
        if (resource.custom() == null) {
            StructuralSchema.pruneUnknownMetadata(after, unknown);
        } else {
            unknown.addAll(resource.custom().schema().prune(after));
        }
        if (unknown.isEmpty() || options.fieldValidation.equals("Ignore")) {
            return;
        }
        List<String> sentences =
                unknown.stream().map(f -> "unknown field \"" + f + "\"").toList();
        if (options.fieldValidation.equals("Strict")) {
            throw ApiException.badRequest(resource.kind() + " in version \"" + resource.version()
                    + "\" cannot be handled as a " + resource.kind() + ": strict decoding error: "
                    + String.join(", ", sentences));
        }
        options.warnings.addAll(sentences);
    }

    private static ObjectNode create(Resource resource, Store.Key key, ObjectNode after) {
        ObjectNode metadata = metadata(after);
        if (!metadata.path("resourceVersion").asText("").isEmpty()) {
            throw ApiException.badRequest("resourceVersion should not be set on objects to be created");
        }
        metadata.remove(List.of("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion"));
        metadata.put("uid", UUID.randomUUID().toString())
                .put("creationTimestamp", now())
                .put("generation", 1);
        if (resource.namespaced()) {
            metadata.put("namespace", key.namespace());
        }
        if (resource.statusSubresource()) {
            after.remove("status");
        }
        return after;
    }

    private static ObjectNode update(Resource resource, ObjectNode before, ObjectNode after, Options options) {
        String version = after.path("metadata").path("resourceVersion").asText("");
        String name = before.path("metadata").path("name").asText();
        if (!version.isEmpty()
                && !version.equals(
                        before.path("metadata").path("resourceVersion").asText())) {
            throw ApiException.conflict(
                    resource,
                    name,
                    "the object has been modified; please apply your changes to the latest version and try again");
        }
        if (options.status) {
            ObjectNode object = before.deepCopy();
            replace(object, "status", after.get("status"));
            return object;
        }
        ObjectNode object = after;
        if (resource.statusSubresource()) {
            replace(object, "status", before.get("status"));
        }
        String uid = object.path("metadata").path("uid").asText("");
        String known = before.path("metadata").path("uid").asText();
        if (!uid.isEmpty() && !uid.equals(known)) {
            throw ApiException.invalid(
                    resource,
                    name,
                    List.of(new Cause(
                            "metadata.uid",
                            "FieldValueInvalid",
                            "Invalid value: \"" + uid + "\": field is immutable")));
        }
        for (String field : List.of(
                "uid",
                "namespace",
                "creationTimestamp",
                "generation",
                "resourceVersion",
                "deletionTimestamp",
                "deletionGracePeriodSeconds")) {
            replace(metadata(object), field, before.path("metadata").get(field));
        }
        if (!object.path("metadata").has("managedFields")) {
            replace(metadata(object), "managedFields", before.path("metadata").get("managedFields"));
        }
        return object;
    }

    private static void replace(ObjectNode object, String field, @Nullable JsonNode value) {
        if (value == null) {
            object.remove(field);
        } else {
            object.set(field, value.deepCopy());
        }
    }

    private static void fillIn(Resource resource, @Nullable ObjectNode before, ObjectNode object) {
        if (resource.custom() != null) {
            resource.custom().schema().applyDefaults(object);
        } else if (before == null) {
            BuiltInRules.onCreate(resource, object);
        } else {
            BuiltInRules.onUpdate(resource, before, object);
        }
    }

    private void validate(Resource resource, @Nullable ObjectNode before, ObjectNode object) {
        String name = object.path("metadata").path("name").asText();
        List<Cause> causes = new ArrayList<>();
        if (!SUBDOMAIN.matcher(name).matches() || name.length() > 253) {
            causes.add(
                    new Cause("metadata.name", "FieldValueInvalid", "Invalid value: \"" + name + "\": " + NAME_RULE));
        }
        if (resource.custom() != null) {
            causes.addAll(customCauses(resource.custom(), before, object));
        } else {
            causes.addAll(BuiltInRules.validate(resource, before, object));
        }
        if (!causes.isEmpty()) {
            throw ApiException.invalid(resource, name, causes);
        }
        if (resource.is(Registry.CRDS)) {
            registry.customResource(object);
        }
    }

    private static List<Cause> customCauses(Resource.Custom custom, @Nullable ObjectNode before, ObjectNode object) {
        List<Cause> causes = new ArrayList<>(custom.schema().validate(object));
        if (causes.isEmpty()) {
            return custom.rules().validate(object, before);
        }
        causes.add(new Cause(
                "<nil>",
                "FieldValueInvalid",
                "Invalid value: null: some validation rules were not checked because the object was invalid; correct"
                        + " the existing errors to complete validation"));
        return causes;
    }

    private static boolean sameContent(ObjectNode before, ObjectNode after) {
        return withoutBookkeeping(before).equals(withoutBookkeeping(after));
    }

    private static ObjectNode withoutBookkeeping(ObjectNode object) {
        ObjectNode copy = object.deepCopy();
        metadata(copy).remove(List.of("resourceVersion", "generation"));
        for (JsonNode entry : copy.path("metadata").path("managedFields")) {
            ((ObjectNode) entry).remove("time");
        }
        return copy;
    }

    /** Whether everything but metadata and status is the same. */
    private static boolean sameDesire(ObjectNode before, ObjectNode after) {
        return desire(before).equals(desire(after));
    }

    private static Set<java.util.Map.Entry<String, JsonNode>> desire(ObjectNode object) {
        return object.properties().stream()
                .filter(e -> !e.getKey().equals("metadata") && !e.getKey().equals("status"))
                .collect(Collectors.toSet());
    }
}
