package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.List;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** The verbs on objects: get, list, watch, create, update, patch, delete. */
final class ResourceHandler {
    /** What a request is about; {@code name} is empty for a collection, {@code subresource} for the object itself. */
    record Target(Resource resource, String namespace, String name, String subresource) {
        Store.Key key() {
            return new Store.Key(resource.qualifiedName(), namespace, name);
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
        if (!target.subresource.isEmpty() && !target.subresource.equals("status")) {
            throw ApiException.notServed(target.resource.plural() + "/" + target.subresource);
        }
        if (!request.query("dryRun").isEmpty()) {
            throw ApiException.badRequest("this embedded API server does not support dryRun");
        }
        boolean isObject = !target.name.isEmpty();
        return switch (request.method() + (isObject ? " of an object" : " of a collection")) {
            case "GET of an object" ->
                request.flag("watch") ? watch(request, target) : answer(200, request, target, present(target));
            case "GET of a collection" -> request.flag("watch") ? watch(request, target) : list(request, target);
            case "POST of a collection" -> create(request, target);
            case "PUT of an object" -> update(request, target);
            case "PATCH of an object" -> patch(request, target);
            case "DELETE of an object" -> delete(request, target);
            default ->
                throw ApiException.methodNotAllowed(
                        request.method() + (isObject ? " of an object" : " of a collection"));
        };
    }

    private static Predicate<ObjectNode> selector(Request request, Target target) {
        return Selectors.labels(request.query("labelSelector"))
                .and(Selectors.fields(request.query("fieldSelector")))
                .and(o -> target.name.isEmpty() || Meta.name(o).equals(target.name))
                .and(o -> target.namespace.isEmpty() || Meta.namespace(o).equals(target.namespace));
    }

    private @Nullable Response watch(Request request, Target target) throws IOException {
        if (request.header("Upgrade").equalsIgnoreCase("websocket")) {
            // Makes Fabric8 fall back to a watch over plain HTTP.
            return new Response(200, null);
        }
        watches.watch(request, target.resource, selector(request, target));
        return null;
    }

    private Response list(Request request, Target target) {
        Store.Snapshot snapshot = store.list(target.resource.qualifiedName());
        List<ObjectNode> chosen =
                snapshot.objects().stream().filter(selector(request, target)).toList();
        String version = Long.toString(snapshot.version());
        if (Tables.isWanted(request)) {
            return Response.ok(Tables.of(target.resource, chosen, version));
        }
        boolean partial = PartialMetadata.isWanted(request);
        ObjectNode list = JsonNodeFactory.instance
                .objectNode()
                .put("kind", (partial ? PartialMetadata.KIND : target.resource.kind()) + "List")
                .put("apiVersion", partial ? PartialMetadata.VERSION : target.resource.apiVersion());
        list.putObject("metadata").put("resourceVersion", version);
        list.putArray("items");
        chosen.forEach(o -> list.withArray("items").add(form(request, target.resource, o)));
        return Response.ok(list);
    }

    private static Response answer(int code, Request request, Target target, ObjectNode object) {
        return new Response(code, form(request, target.resource, object));
    }

    /** The object in the form that the client wants. */
    static ObjectNode form(Request request, Resource resource, ObjectNode object) {
        if (Tables.isWanted(request)) {
            return Tables.of(resource, List.of(object), Meta.text(object, "resourceVersion"));
        }
        return PartialMetadata.isWanted(request) ? PartialMetadata.of(object) : object;
    }

    private ObjectNode present(Target target) {
        ObjectNode object = store.get(target.key());
        if (object == null) {
            throw ApiException.notFound(target.resource, target.name);
        }
        return object;
    }

    /** Writes alone, and collects what the write leaves behind. */
    private ObjectNode write(Supplier<ObjectNode> action) {
        return store.locked(() -> {
            ObjectNode written = action.get();
            deletions.collect();
            return written;
        });
    }

    private Response create(Request request, Target target) {
        ObjectNode object = request.objectBody();
        Resource resource = target.resource;
        if (Meta.name(object).isEmpty()) {
            throw ApiException.invalid(resource, "", List.of("metadata.name: must be given"));
        }
        var key = new Store.Key(resource.qualifiedName(), target.namespace, Meta.name(object));
        ObjectNode written = write(() -> {
            requireNamespace(target.namespace);
            return writer.create(resource, key, object);
        });
        return answer(201, request, target, written);
    }

    private void requireNamespace(String namespace) {
        if (!namespace.isEmpty() && store.get(new Store.Key("namespaces", "", namespace)) == null) {
            throw ApiException.invalid("namespaces \"" + namespace + "\" not found");
        }
    }

    private Response update(Request request, Target target) {
        ObjectNode object = request.objectBody();
        ObjectNode written = write(() -> update(target, object));
        return answer(200, request, target, written);
    }

    private ObjectNode update(Target target, ObjectNode after) {
        return writer.update(
                target.resource, target.key(), present(target), after, target.subresource.equals("status"));
    }

    private Response patch(Request request, Target target) {
        if (request.contentType().startsWith("application/apply-patch")) {
            throw ApiException.unsupportedMediaType(
                    request.contentType(), "apply without --server-side, or create and update the object");
        }
        JsonNode patch = request.body();
        ObjectNode written = write(
                () -> update(target, Patches.apply(target.resource, present(target), request.contentType(), patch)));
        return answer(200, request, target, written);
    }

    private Response delete(Request request, Target target) {
        ObjectNode options = request.body() instanceof ObjectNode body ? body : JsonNodeFactory.instance.objectNode();
        for (String name : List.of("propagationPolicy", "gracePeriodSeconds")) {
            if (!request.query(name).isEmpty()) {
                options.put(name, request.query(name));
            }
        }
        ObjectNode deleted = write(() -> deletions.delete(target.resource, target.key(), options));
        return answer(200, request, target, deleted);
    }
}
