package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;

/**
 * OpenAPI v3 by group and version: for custom resources the schema of the CRD, so that {@code kubectl explain} works;
 * for built-in kinds but their names. Each kind's PATCH says that it takes {@code fieldValidation}, which is how kubectl
 * learns that the server validates; strategic merge patch is not named, as its schema would be needed then.
 */
final class OpenApi {
    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

    private final Registry registry;

    OpenApi(Registry registry) {
        this.registry = registry;
    }

    ObjectNode index() {
        ObjectNode index = NODES.objectNode();
        ObjectNode paths = index.putObject("paths");
        registry.all().stream().map(OpenApi::prefix).distinct().forEach(path -> paths.putObject(path)
                .put("serverRelativeURL", "/openapi/v3/" + path));
        return index;
    }

    /** @param path as in the index: {@code apis/batch/v1} */
    ObjectNode document(String path) {
        ObjectNode document = NODES.objectNode().put("openapi", "3.0.0");
        document.putObject("info").put("title", "Kubernetes").put("version", "v1.34.4");
        ObjectNode paths = document.putObject("paths");
        ObjectNode schemas = document.putObject("components").putObject("schemas");
        for (Resource r : registry.all()) {
            if (prefix(r).equals(path)) {
                String at = "/" + path + (r.namespaced() ? "/namespaces/{namespace}/" : "/") + r.plural() + "/{name}";
                paths.set(at, pathItem(r));
                schemas.set(r.qualifiedName(), schema(r));
            }
        }
        if (paths.isEmpty()) {
            throw ApiException.notServed("/openapi/v3/" + path);
        }
        return document;
    }

    private static String prefix(Resource r) {
        return (r.group().isEmpty() ? "api/" : "apis/") + r.apiVersion();
    }

    private static ObjectNode pathItem(Resource r) {
        ObjectNode item = NODES.objectNode();
        for (String method : List.of("get", "patch")) {
            ObjectNode operation = item.putObject(method).put("x-kubernetes-action", method);
            operation.set("x-kubernetes-group-version-kind", groupVersionKind(r));
            ArrayNode parameters = operation.putArray("parameters");
            if (method.equals("patch")) {
                parameters.addObject().put("name", "fieldValidation").put("in", "query");
            }
            operation
                    .putObject("responses")
                    .putObject("200")
                    .putObject("content")
                    .putObject("application/json")
                    .putObject("schema")
                    .put("$ref", "#/components/schemas/" + r.qualifiedName());
        }
        return item;
    }

    private static ObjectNode groupVersionKind(Resource r) {
        return NODES.objectNode()
                .put("group", r.group())
                .put("version", r.version())
                .put("kind", r.kind());
    }

    private static ObjectNode schema(Resource r) {
        ObjectNode schema = r.schema() instanceof ObjectNode known
                ? known.deepCopy()
                : NODES.objectNode()
                        .put("type", "object")
                        .put("description", "This embedded server does not describe the fields of a " + r.kind() + ".");
        withoutRules(schema);
        ObjectNode properties = schema.withObject("/properties");
        properties.putObject("apiVersion").put("type", "string");
        properties.putObject("kind").put("type", "string");
        properties.putObject("metadata").put("type", "object").put("description", "Standard object metadata.");
        schema.putArray("x-kubernetes-group-version-kind").add(groupVersionKind(r));
        return schema;
    }

    // Rules are long and of no use to readers of the document.
    private static void withoutRules(JsonNode node) {
        if (node instanceof ObjectNode object) {
            object.remove("x-kubernetes-validations");
        }
        node.forEach(OpenApi::withoutRules);
    }
}
