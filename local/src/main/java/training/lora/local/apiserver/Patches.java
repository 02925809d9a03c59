package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fabric8.zjsonpatch.JsonPatch;
import io.fabric8.zjsonpatch.JsonPatchException;
import java.util.Map;

/** JSON patch, merge patch (RFC 7386) and strategic merge patch: each returns a changed copy of the target. */
final class Patches {
    private static final String DIRECTIVE = "$patch";
    private static final String DELETE_FROM = "$deleteFromPrimitiveList/";

    private Patches() {}

    static ObjectNode json(ObjectNode target, JsonNode patch) {
        JsonNode result = target.deepCopy();
        for (JsonNode operation : patch) {
            String op = operation.path("op").asText();
            String path = operation.path("path").asText();
            if ((op.equals("remove") || op.equals("replace")) && result.at(path).isMissingNode()) {
                throw ApiException.failedPatch("the patch can't be applied: there is nothing to " + op + " at " + path);
            }
            try {
                result = JsonPatch.apply(Request.JSON.createArrayNode().add(operation), result);
            } catch (JsonPatchException | IllegalArgumentException e) {
                throw ApiException.failedPatch("the patch can't be applied: " + e.getMessage());
            }
        }
        return requireObject(result);
    }

    static ObjectNode merge(ObjectNode target, JsonNode patch) {
        ObjectNode result = target.deepCopy();
        mergeInto(result, requireObject(patch));
        return result;
    }

    private static void mergeInto(ObjectNode target, ObjectNode patch) {
        for (Map.Entry<String, JsonNode> e : patch.properties()) {
            if (e.getValue().isNull()) {
                target.remove(e.getKey());
            } else if (e.getValue() instanceof ObjectNode child) {
                mergeInto(childObject(target, e.getKey()), child);
            } else {
                target.set(e.getKey(), e.getValue().deepCopy());
            }
        }
    }

    static ObjectNode strategic(ObjectNode target, JsonNode patch) {
        ObjectNode result = target.deepCopy();
        strategicInto(result, requireObject(patch));
        return result;
    }

    private static void strategicInto(ObjectNode target, ObjectNode patch) {
        switch (patch.path(DIRECTIVE).asText()) {
            case "replace" -> target.removeAll();
            case "delete" -> {
                target.removeAll();
                return;
            }
            default -> retain(target, patch.path("$retainKeys"));
        }
        for (Map.Entry<String, JsonNode> e : patch.properties()) {
            String name = e.getKey();
            JsonNode value = e.getValue();
            if (name.startsWith(DELETE_FROM)) {
                removeAll(target.path(name.substring(DELETE_FROM.length())), value);
            } else if (name.startsWith("$")) {
                continue;
            } else if (value.isNull()) {
                target.remove(name);
            } else if (value instanceof ObjectNode child) {
                strategicInto(childObject(target, name), child);
            } else if (value instanceof ArrayNode entries
                    && ListType.ofBuiltIn(name).isKeyed()) {
                JsonNode present = target.get(name);
                mergeEntries(
                        present instanceof ArrayNode array ? array : target.putArray(name),
                        entries,
                        ListType.ofBuiltIn(name));
            } else {
                target.set(name, value.deepCopy());
            }
        }
    }

    private static void mergeEntries(ArrayNode target, ArrayNode entries, ListType type) {
        for (JsonNode entry : entries) {
            int index = type.indexOf(target, type.identity(entry));
            String directive = entry.path(DIRECTIVE).asText();
            if (directive.equals("replace") && entry.size() == 1) {
                target.removeAll();
            } else if (directive.equals("delete")) {
                if (index >= 0) {
                    target.remove(index);
                }
            } else if (index < 0) {
                ObjectNode fresh = target.objectNode();
                if (entry instanceof ObjectNode object) {
                    strategicInto(fresh, object);
                    target.add(fresh);
                } else {
                    target.add(entry);
                }
            } else if (target.get(index) instanceof ObjectNode present) {
                strategicInto(present, (ObjectNode) entry);
            }
        }
    }

    private static void retain(ObjectNode target, JsonNode keys) {
        if (keys.isArray()) {
            target.retain(java.util.stream.StreamSupport.stream(keys.spliterator(), false)
                    .map(JsonNode::asText)
                    .toList());
        }
    }

    private static void removeAll(JsonNode list, JsonNode values) {
        if (list instanceof ArrayNode array) {
            for (JsonNode value : values) {
                int index = ListType.SET.indexOf(array, value);
                if (index >= 0) {
                    array.remove(index);
                }
            }
        }
    }

    private static ObjectNode childObject(ObjectNode target, String name) {
        return target.get(name) instanceof ObjectNode present ? present : target.putObject(name);
    }

    private static ObjectNode requireObject(JsonNode patch) {
        if (patch instanceof ObjectNode object) {
            return object;
        }
        throw ApiException.badRequest("a merge patch must be an object, was " + patch.getNodeType());
    }
}
