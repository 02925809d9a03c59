package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** The verbs on objects: get, list, watch, create, update, patch, delete, deletecollection. */
final class ResourceHandler {
    private static final String SUFFIX = "bcdfghjklmnpqrstvwxz2456789";
    private static final SecureRandom RANDOM = new SecureRandom();

    /** What a request is about; {@code name} is empty for a collection, {@code subresource} for the object itself. */
    record Target(Resource resource, String namespace, String name, String subresource) {
        Store.Key key() {
            return new Store.Key(resource.storageKey(), namespace, name);
        }
    }

    private final Store store;
    private final ObjectWriter writer;
    private final Deletions deletions;
    private final WatchHandler watches;

    ResourceHandler(Store store, ObjectWriter writer, Deletions deletions, WatchHandler watches) {
        this.store = store;
        this.writer = writer;
        this.deletions = deletions;
        this.watches = watches;
    }

    /** Answers; null if it has streamed its answer already. */
    @Nullable Response handle(Request request, Target target) throws IOException {
        Resource resource = target.resource;
        if (!target.subresource.isEmpty() && !(target.subresource.equals("status") && resource.statusSubresource())) {
            throw ApiException.notFound("the server could not find the requested resource (" + resource.plural() + "/"
                    + target.subresource + " is not supported by this embedded API server)");
        }
        if (target.name.isEmpty()) {
            return collection(request, target);
        }
        return switch (request.method()) {
            case "GET" -> request.flag("watch") ? watch(request, target) : one(request, resource, present(target));
            case "PUT" -> update(request, target);
            case "PATCH" -> patch(request, target);
            case "DELETE" -> delete(request, target);
            default -> throw ApiException.methodNotAllowed(request.method() + " of an object");
        };
    }

    private @Nullable Response collection(Request request, Target target) throws IOException {
        return switch (request.method()) {
            case "GET" -> request.flag("watch") ? watch(request, target) : list(request, target);
            case "POST" -> create(request, target);
            case "DELETE" -> deleteCollection(request, target);
            default -> throw ApiException.methodNotAllowed(request.method() + " of a collection");
        };
    }

    private static ObjectNode form(Resource resource, ObjectNode stored) {
        return EventForms.isOther(resource) ? EventForms.fromCore(stored) : stored;
    }

    private static Predicate<ObjectNode> selector(Request request, Target target) {
        Predicate<ObjectNode> fields = Selectors.fields(request.query("fieldSelector"));
        Predicate<ObjectNode> all =
                Selectors.labels(request.query("labelSelector")).and(o -> fields.test(form(target.resource, o)));
        return target.name.isEmpty()
                ? all
                : all.and(o -> o.path("metadata").path("name").asText().equals(target.name));
    }

    private @Nullable Response watch(Request request, Target target) throws IOException {
        if (request.header("Upgrade").equalsIgnoreCase("websocket")) {
            // Makes Fabric8 fall back to a watch over plain HTTP.
            return new Response(200, null, List.of());
        }
        watches.watch(
                request, target.resource, target.namespace, selector(request, target), o -> form(target.resource, o));
        return null;
    }

    private Response list(Request request, Target target) {
        Store.Snapshot snapshot = store.list(target.resource.storageKey(), target.namespace);
        List<ObjectNode> chosen = snapshot.objects().stream()
                .filter(selector(request, target))
                .map(o -> form(target.resource, o))
                .toList();
        String version = Long.toString(snapshot.version());
        if (Tables.isWanted(request)) {
            return Response.ok(Tables.of(target.resource, chosen, version, request.query("includeObject")));
        }
        ObjectNode list = JsonNodeFactory.instance
                .objectNode()
                .put("kind", target.resource.kind() + "List")
                .put("apiVersion", target.resource.apiVersion());
        list.putObject("metadata").put("resourceVersion", version);
        list.putArray("items").addAll(chosen);
        return Response.ok(list);
    }

    private static Response one(Request request, Resource resource, ObjectNode stored) {
        return new Response(200, shown(request, resource, stored), List.of());
    }

    private static JsonNode shown(Request request, Resource resource, ObjectNode stored) {
        ObjectNode object = form(resource, stored);
        String version = object.path("metadata").path("resourceVersion").asText();
        return Tables.isWanted(request)
                ? Tables.of(resource, List.of(object), version, request.query("includeObject"))
                : object;
    }

    private ObjectNode present(Target target) {
        ObjectNode object = store.get(target.key());
        if (object == null) {
            throw ApiException.notFound(target.resource, target.name);
        }
        return object;
    }

    private Response create(Request request, Target target) {
        ObjectNode object = request.objectBody();
        ObjectNode metadata = object.withObject("/metadata");
        String prefix = metadata.path("generateName").asText("");
        if (metadata.path("name").asText("").isEmpty() && !prefix.isEmpty()) {
            metadata.put("name", prefix + suffix());
        }
        if (metadata.path("name").asText("").isEmpty()) {
            throw ApiException.invalid(
                    target.resource,
                    "",
                    List.of(new ApiException.Cause(
                            "metadata.name",
                            "FieldValueRequired",
                            "Required value: name or generateName is required")));
        }
        var named = new Target(
                target.resource, target.namespace, metadata.path("name").asText(), "");
        List<String> warnings = new ArrayList<>();
        ObjectNode written = store.locked(() -> {
            if (store.get(named.key()) != null) {
                throw ApiException.alreadyExists(named.resource, named.name);
            }
            return write(named, null, object, options(request, false, null, warnings));
        });
        return new Response(201, shown(request, named.resource, written), warnings);
    }

    private static String suffix() {
        return RANDOM.ints(5, 0, SUFFIX.length())
                .mapToObj(i -> SUFFIX.substring(i, i + 1))
                .collect(Collectors.joining());
    }

    private static ObjectWriter.Options options(
            Request request, boolean status, @Nullable ObjectNode applied, List<String> warnings) {
        String validation = request.query("fieldValidation");
        return new ObjectWriter.Options(
                request.manager(),
                validation.isEmpty() ? "Warn" : validation,
                status,
                request.dryRun(),
                applied,
                warnings);
    }

    private ObjectNode write(
            Target target, @Nullable ObjectNode before, ObjectNode after, ObjectWriter.Options options) {
        if (before == null && target.resource.namespaced()) {
            requireNamespace(target.namespace);
        }
        ObjectNode object = after;
        Resource resource = target.resource;
        if (EventForms.isOther(resource)) {
            object = EventForms.toCore(after);
            resource = Resource.builtIn("v1", "Event", "events", true, false);
        }
        ObjectNode written = writer.write(resource, target.key(), before, object, options);
        deletions.changed();
        return written;
    }

    private void requireNamespace(String namespace) {
        ObjectNode there = store.get(new Store.Key("namespaces", "", namespace));
        if (there == null) {
            throw ApiException.notFound("namespaces \"" + namespace + "\" not found");
        }
        if (there.path("metadata").has("deletionTimestamp")) {
            throw ApiException.badRequest("namespace " + namespace + " is being terminated");
        }
    }

    private Response update(Request request, Target target) {
        ObjectNode object = request.objectBody();
        List<String> warnings = new ArrayList<>();
        ObjectNode written = store.locked(() -> {
            ObjectNode before = present(target);
            String version = object.path("metadata").path("resourceVersion").asText("");
            if (target.resource.custom() != null && version.isEmpty()) {
                throw ApiException.invalid(
                        target.resource,
                        target.name,
                        List.of(new ApiException.Cause(
                                "metadata.resourceVersion",
                                "FieldValueInvalid",
                                "Invalid value: 0: must be specified for an update")));
            }
            return write(target, before, object, options(request, isStatus(target), null, warnings));
        });
        return new Response(200, shown(request, target.resource, written), warnings);
    }

    private static boolean isStatus(Target target) {
        return target.subresource.equals("status");
    }

    private Response patch(Request request, Target target) {
        JsonNode patch = request.body();
        List<String> warnings = new ArrayList<>();
        boolean[] created = new boolean[1];
        ObjectNode written = store.locked(() -> {
            ObjectNode before = store.get(target.key());
            if (request.contentType().startsWith("application/apply-patch")) {
                created[0] = before == null;
                return apply(request, target, before, patch, warnings);
            }
            ObjectNode base = form(target.resource, present(target));
            ObjectNode after = patched(request.contentType(), target.resource, base, patch);
            return write(target, before, after, options(request, isStatus(target), null, warnings));
        });
        return new Response(created[0] ? 201 : 200, shown(request, target.resource, written), warnings);
    }

    private static ObjectNode patched(String type, Resource resource, ObjectNode base, JsonNode patch) {
        switch (type) {
            case "application/json-patch+json":
                return Patches.json(base, patch);
            case "application/merge-patch+json":
                return Patches.merge(base, patch);
            case "application/strategic-merge-patch+json":
                if (resource.custom() == null) {
                    return Patches.strategic(base, patch);
                }
                break;
            default:
                break;
        }
        throw ApiException.unsupportedMediaType("the body of the request was in an unknown format - accepted media"
                + " types include: application/json-patch+json, application/merge-patch+json,"
                + " application/apply-patch+yaml");
    }

    private ObjectNode apply(
            Request request, Target target, @Nullable ObjectNode before, JsonNode patch, List<String> warnings) {
        if (!(patch instanceof ObjectNode applied)) {
            throw ApiException.badRequest("an applied configuration must be an object");
        }
        if (request.query("fieldManager").isEmpty()) {
            throw ApiException.badRequest("`fieldManager` is required for apply patch");
        }
        if (before == null && isStatus(target)) {
            throw ApiException.notFound(target.resource, target.name);
        }
        requireKnownFields(target, applied);
        applied.withObject("/metadata").put("name", target.name).remove("managedFields");
        JsonNode schema = target.resource.custom() == null
                ? JsonNodeFactory.instance.missingNode()
                : target.resource.custom().openApiSchema();
        String manager = request.manager();
        ObjectNode live = before == null ? JsonNodeFactory.instance.objectNode() : before;
        ObjectNode after = ServerSideApply.merge(
                live,
                applied,
                schema,
                ManagedFields.appliedBy(live, manager, target.subresource),
                ManagedFields.appliedByOthers(live, manager, target.subresource));
        ObjectNode fields = ServerSideApply.fieldsOf(applied, schema);
        return write(target, before, after, options(request, isStatus(target), fields, warnings));
    }

    // Apply is strict whatever fieldValidation says: a field without a schema can't be merged.
    private static void requireKnownFields(Target target, ObjectNode applied) {
        if (target.resource.custom() == null) {
            return;
        }
        var unknown = target.resource.custom().schema().prune(applied.deepCopy());
        if (!unknown.isEmpty()) {
            throw ApiException.badRequest("failed to create typed patch object (" + target.namespace + "/" + target.name
                    + "; " + target.resource.apiVersion() + ", Kind=" + target.resource.kind() + "): "
                    + unknown.stream()
                            .map(f -> "." + f + ": field not declared in schema")
                            .collect(Collectors.joining(", ")));
        }
    }

    private static ObjectNode deleteOptions(Request request) {
        JsonNode body = request.body();
        ObjectNode options = body instanceof ObjectNode object ? object : JsonNodeFactory.instance.objectNode();
        for (String name : List.of("propagationPolicy", "gracePeriodSeconds")) {
            if (!request.query(name).isEmpty()) {
                options.put(name, request.query(name));
            }
        }
        if (!request.query("dryRun").isEmpty()) {
            options.putArray("dryRun").add(request.query("dryRun"));
        }
        return options;
    }

    private Response delete(Request request, Target target) {
        ObjectNode options = deleteOptions(request);
        ObjectNode deleted = options.path("dryRun").isEmpty()
                ? deletions.delete(target.resource, target.key(), options)
                : present(target);
        ObjectNode status =
                JsonNodeFactory.instance.objectNode().put("kind", "Status").put("apiVersion", "v1");
        status.putObject("metadata");
        status.put("status", "Success");
        status.putObject("details")
                .put("name", target.name)
                .put("group", target.resource.group())
                .put("kind", target.resource.plural())
                .put("uid", deleted.path("metadata").path("uid").asText());
        return Response.ok(store.get(target.key()) == null ? status : form(target.resource, deleted));
    }

    private Response deleteCollection(Request request, Target target) {
        ObjectNode options = deleteOptions(request);
        Predicate<ObjectNode> selector = selector(request, target);
        ObjectNode list = JsonNodeFactory.instance
                .objectNode()
                .put("kind", target.resource.kind() + "List")
                .put("apiVersion", target.resource.apiVersion());
        ArrayNode items = list.putArray("items");
        store.locked(() -> {
            for (ObjectNode object :
                    store.list(target.resource.storageKey(), target.namespace).objects()) {
                if (selector.test(object)) {
                    JsonNode metadata = object.path("metadata");
                    var key = new Store.Key(
                            target.resource.storageKey(),
                            metadata.path("namespace").asText(""),
                            metadata.path("name").asText());
                    items.add(
                            options.path("dryRun").isEmpty()
                                    ? deletions.delete(target.resource, key, options)
                                    : object);
                }
            }
            return list;
        });
        list.putObject("metadata").put("resourceVersion", Long.toString(store.version()));
        return Response.ok(list);
    }
}
