package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fabric8.zjsonpatch.JsonPatch;
import io.fabric8.zjsonpatch.JsonPatchException;
import java.util.Map;

/** JSON patch, merge patch (RFC 7386), and as much of strategic merge patch as is a merge patch too. */
final class Patches {
    private static final String MERGE = "application/merge-patch+json";
    private static final String STRATEGIC = "application/strategic-merge-patch+json";
    private static final String JSON = "application/json-patch+json";

    private Patches() {}

    /** A changed copy of {@code target}. @throws ApiException 415 for another kind of patch, 422 if it can't be applied */
    static ObjectNode apply(Resource resource, ObjectNode target, String type, JsonNode patch) {
        boolean isMerge = type.equals(MERGE) || type.equals(STRATEGIC) && resource.custom() == null;
        if (isMerge && patch instanceof ObjectNode object) {
            if (type.equals(STRATEGIC)) {
                requirePlain(patch);
            }
            ObjectNode result = target.deepCopy();
            merge(result, object);
            return result;
        }
        if (type.equals(JSON) && patch.isArray()) {
            return json(target, patch);
        }
        throw ApiException.unsupportedMediaType(
                type, "it takes " + JSON + " with a list and " + MERGE + " with an object");
    }

    private static ObjectNode json(ObjectNode target, JsonNode patch) {
        JsonNode result = target;
        for (JsonNode operation : patch) {
            String op = operation.path("op").asText();
            String path = operation.path("path").asText();
            // The library takes these where there is nothing.
            if ((op.equals("remove") || op.equals("replace")) && result.at(path).isMissingNode()) {
                throw ApiException.invalid("the patch can't be applied: there is nothing to " + op + " at " + path);
            }
            try {
                result = JsonPatch.apply(Request.JSON.createArrayNode().add(operation), result);
            } catch (JsonPatchException | IllegalArgumentException e) {
                throw ApiException.invalid("the patch can't be applied: " + e.getMessage());
            }
        }
        if (result instanceof ObjectNode object) {
            return object;
        }
        throw ApiException.invalid("the patch must leave an object");
    }

    // Without lists and directives a strategic merge patch means what a merge patch does.
    private static void requirePlain(JsonNode patch) {
        for (Map.Entry<String, JsonNode> e : patch.properties()) {
            if (e.getValue().isArray() || e.getKey().startsWith("$")) {
                throw ApiException.unsupportedMediaType(
                        STRATEGIC, "it does where there are no lists in it, was one with " + e.getKey());
            }
            requirePlain(e.getValue());
        }
    }

    private static void merge(ObjectNode target, ObjectNode patch) {
        for (Map.Entry<String, JsonNode> e : patch.properties()) {
            String name = e.getKey();
            if (e.getValue().isNull()) {
                target.remove(name);
            } else if (e.getValue() instanceof ObjectNode child) {
                merge(target.get(name) instanceof ObjectNode present ? present : target.putObject(name), child);
            } else {
                target.set(name, e.getValue());
            }
        }
    }
}
