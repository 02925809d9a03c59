package training.lora.local.apiserver;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Server-side apply: merges by list keys, removes what the same manager applied before and no longer does, and records
 * who applied what as {@code FieldsV1}. Conflicts are not looked for: who comes last wins.
 */
final class ServerSideApply {
    private static final ObjectMapper JSON = JsonMapper.builder().build();
    private static final Set<String> NOT_OWNED = Set.of("apiVersion", "kind");
    private static final Set<String> NOT_OWNED_METADATA =
            Set.of("name", "namespace", "uid", "resourceVersion", "creationTimestamp", "generation", "managedFields");

    private ServerSideApply() {}

    /**
     * Returns {@code live} with {@code applied} merged into it, and the manager's entry of managedFields renewed.
     *
     * @param schema of the kind; missing for built-in kinds
     * @param before the fields that this manager applied last time, and {@code others} those of the other appliers
     */
    static ObjectNode merge(
            ObjectNode live, ObjectNode applied, JsonNode schema, JsonNode before, List<JsonNode> others) {
        ObjectNode result = live.deepCopy();
        remove(result, before, fieldsOf(applied, schema), others);
        mergeInto(result, applied, schema);
        return result;
    }

    private static void mergeInto(ObjectNode target, ObjectNode applied, JsonNode schema) {
        for (Map.Entry<String, JsonNode> e : applied.properties()) {
            String name = e.getKey();
            JsonNode value = e.getValue();
            JsonNode child = child(schema, name);
            if (value instanceof ObjectNode object && !isAtomic(child)) {
                mergeInto(target.get(name) instanceof ObjectNode o ? o : target.putObject(name), object, child);
            } else if (value instanceof ArrayNode array && listType(child, name).isKeyed()) {
                ArrayNode list = target.get(name) instanceof ArrayNode a ? a : target.putArray(name);
                mergeEntries(list, array, listType(child, name), child.path("items"));
            } else {
                target.set(name, value.deepCopy());
            }
        }
    }

    private static void mergeEntries(ArrayNode target, ArrayNode applied, ListType type, JsonNode schema) {
        for (JsonNode entry : applied) {
            int index = type.indexOf(target, type.identity(entry));
            if (index < 0) {
                target.add(entry.deepCopy());
            } else if (entry instanceof ObjectNode object && target.get(index) instanceof ObjectNode present) {
                mergeInto(present, object, schema);
            }
        }
    }

    /** The fields of an applied object, as {@code FieldsV1}. */
    static ObjectNode fieldsOf(ObjectNode applied, JsonNode schema) {
        ObjectNode owned = applied.deepCopy();
        owned.remove(NOT_OWNED);
        if (owned.get("metadata") instanceof ObjectNode metadata) {
            metadata.remove(NOT_OWNED_METADATA);
            if (metadata.isEmpty()) {
                owned.remove("metadata");
            }
        }
        return fields(owned, schema);
    }

    private static ObjectNode fields(JsonNode object, JsonNode schema) {
        ObjectNode fields = JsonNodeFactory.instance.objectNode();
        for (Map.Entry<String, JsonNode> e : object.properties()) {
            JsonNode child = child(schema, e.getKey());
            JsonNode value = e.getValue();
            ObjectNode below = JsonNodeFactory.instance.objectNode();
            ListType type = listType(child, e.getKey());
            if (value.isObject() && !isAtomic(child)) {
                below = fields(value, child);
            } else if (value.isArray() && type.isKeyed()) {
                for (JsonNode entry : value) {
                    JsonNode identity = type.identity(entry);
                    if (type.keys().isEmpty()) {
                        below.putObject("v:" + identity);
                    } else {
                        ObjectNode of = fields(entry, child.path("items"));
                        of.putObject(".");
                        below.set("k:" + identity, of);
                    }
                }
            }
            fields.set("f:" + e.getKey(), below);
        }
        return fields;
    }

    private static void remove(JsonNode live, JsonNode before, JsonNode now, List<JsonNode> others) {
        for (Map.Entry<String, JsonNode> e : before.properties()) {
            String key = e.getKey();
            if (key.equals(".")) {
                continue;
            }
            List<JsonNode> otherChildren = new ArrayList<>();
            others.stream().filter(o -> o.has(key)).forEach(o -> otherChildren.add(o.get(key)));
            boolean unowned = !now.has(key) && otherChildren.isEmpty();
            boolean leaf = e.getValue().isEmpty();
            if (unowned && (leaf || key.startsWith("k:"))) {
                removeAt(live, key);
            } else if (!leaf) {
                JsonNode child = childAt(live, key);
                remove(child, e.getValue(), now.path(key), otherChildren);
                if (unowned && child.isContainerNode() && child.isEmpty()) {
                    removeAt(live, key);
                }
            }
        }
    }

    private static JsonNode childAt(JsonNode live, String key) {
        if (key.startsWith("f:")) {
            return live.path(key.substring(2));
        }
        int index = indexAt(live, key);
        return live.path(index);
    }

    private static void removeAt(JsonNode live, String key) {
        if (key.startsWith("f:") && live instanceof ObjectNode object) {
            object.remove(key.substring(2));
        } else if (live instanceof ArrayNode array) {
            int index = indexAt(array, key);
            if (index >= 0) {
                array.remove(index);
            }
        }
    }

    private static int indexAt(JsonNode list, String key) {
        JsonNode identity;
        try {
            identity = JSON.readTree(key.substring(2));
        } catch (JsonProcessingException e) {
            throw ApiException.badRequest("metadata.managedFields has a key that can't be read: " + key);
        }
        ListType type = key.startsWith("v:")
                ? ListType.SET
                : ListType.map(
                        identity.properties().stream().map(Map.Entry::getKey).toArray(String[]::new));
        return type.indexOf(list, identity);
    }

    private static JsonNode child(JsonNode schema, String name) {
        JsonNode property = schema.path("properties").path(name);
        return property.isMissingNode() ? schema.path("additionalProperties") : property;
    }

    private static boolean isAtomic(JsonNode schema) {
        return schema.path("x-kubernetes-map-type").asText().equals("atomic");
    }

    private static ListType listType(JsonNode schema, String name) {
        return schema.isMissingNode() ? ListType.ofBuiltIn(name) : ListType.of(schema);
    }
}
