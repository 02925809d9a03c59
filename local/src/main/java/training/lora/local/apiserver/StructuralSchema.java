package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/** What a CRD's {@code openAPIV3Schema} does to an object before it is validated: unknown fields, nulls, defaults. */
final class StructuralSchema {
    private static final Set<String> ROOT = Set.of("apiVersion", "kind", "metadata");
    private static final Set<String> METADATA = Set.of(
            "annotations",
            "creationTimestamp",
            "deletionGracePeriodSeconds",
            "deletionTimestamp",
            "finalizers",
            "generateName",
            "generation",
            "labels",
            "managedFields",
            "name",
            "namespace",
            "ownerReferences",
            "resourceVersion",
            "selfLink",
            "uid");

    private final JsonNode root;
    private final SchemaChecks checks;

    StructuralSchema(JsonNode root) {
        this.root = root;
        this.checks = new SchemaChecks(root);
    }

    JsonNode root() {
        return root;
    }

    /** Removes what the schema does not know and returns the paths of it, sorted: {@code spec.parts[0].zap}. */
    Set<String> prune(ObjectNode object) {
        Set<String> unknown = new TreeSet<>();
        pruneFields(object, root, "", ROOT, unknown);
        pruneUnknownMetadata(object, unknown);
        return unknown;
    }

    /** Removes the fields that no object's metadata has. */
    static void pruneUnknownMetadata(ObjectNode object, Set<String> unknown) {
        if (object.get("metadata") instanceof ObjectNode metadata) {
            for (String name : fieldNames(metadata)) {
                if (!METADATA.contains(name)) {
                    metadata.remove(name);
                    unknown.add("metadata." + name);
                }
            }
        }
    }

    private static void prune(JsonNode value, JsonNode schema, String path, Set<String> unknown) {
        if (value instanceof ArrayNode array) {
            for (int i = 0; i < array.size(); i++) {
                prune(array.get(i), schema.path("items"), path + "[" + i + "]", unknown);
            }
        } else if (value instanceof ObjectNode object) {
            pruneFields(object, schema, path, Set.of(), unknown);
        }
    }

    private static void pruneFields(
            ObjectNode object, JsonNode schema, String path, Set<String> known, Set<String> unknown) {
        boolean preserve = schema.path("x-kubernetes-preserve-unknown-fields").asBoolean();
        for (String name : fieldNames(object)) {
            String at = path.isEmpty() ? name : path + "." + name;
            JsonNode child = field(schema, name);
            if (child != null) {
                prune(object.path(name), child, at, unknown);
            } else if (!preserve && !known.contains(name)) {
                object.remove(name);
                unknown.add(at);
            }
        }
    }

    /** Fills in defaults, the ones inside of defaults too; a null that is not allowed counts as absent. */
    void applyDefaults(ObjectNode object) {
        fill(object, root);
    }

    private static void fill(JsonNode value, JsonNode schema) {
        if (value instanceof ArrayNode array) {
            array.forEach(item -> fill(item, schema.path("items")));
        } else if (value instanceof ObjectNode object) {
            for (String name : fieldNames(object)) {
                JsonNode child = field(schema, name);
                if (child != null
                        && object.path(name).isNull()
                        && !child.path("nullable").asBoolean()) {
                    object.remove(name);
                }
            }
            for (Map.Entry<String, JsonNode> property :
                    schema.path("properties").properties()) {
                JsonNode fallback = property.getValue().get("default");
                if (fallback != null && !object.has(property.getKey())) {
                    object.set(property.getKey(), fallback.deepCopy());
                }
            }
            for (String name : fieldNames(object)) {
                JsonNode child = field(schema, name);
                if (child != null) {
                    fill(object.path(name), child);
                }
            }
        }
    }

    /** What breaks the schema, in a real server's words. */
    List<ApiException.Cause> validate(ObjectNode object) {
        return checks.check(object);
    }

    private static @Nullable JsonNode field(JsonNode schema, String name) {
        JsonNode property = schema.path("properties").get(name);
        if (property != null) {
            return property;
        }
        JsonNode additional = schema.get("additionalProperties");
        return additional != null && additional.isObject() ? additional : null;
    }

    private static List<String> fieldNames(ObjectNode object) {
        List<String> names = new ArrayList<>();
        for (Iterator<String> i = object.fieldNames(); i.hasNext(); ) {
            names.add(i.next());
        }
        return names;
    }
}
