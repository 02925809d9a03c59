package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** A CRD's {@code openAPIV3Schema}: which fields it knows, which defaults it has, what it demands. */
final class StructuralSchema {
    private static final Set<String> OF_EVERY_OBJECT = Set.of("apiVersion", "kind", "metadata");

    private final JsonNode root;
    private final SchemaChecks checks;

    StructuralSchema(JsonNode root) {
        this.root = root;
        this.checks = new SchemaChecks(root);
    }

    JsonNode root() {
        return root;
    }

    /** The paths of what the schema does not know: {@code spec.parts[0].zap}. */
    List<String> unknownFields(ObjectNode object) {
        List<String> unknown = new ArrayList<>();
        object.properties().stream()
                .filter(e -> !OF_EVERY_OBJECT.contains(e.getKey()))
                .forEach(e -> findUnknown(e.getValue(), field(root, e.getKey()), e.getKey(), unknown));
        return unknown;
    }

    private static void findUnknown(JsonNode value, @Nullable JsonNode schema, String path, List<String> unknown) {
        if (schema == null) {
            unknown.add(path);
        } else if (value.isArray()) {
            for (int i = 0; i < value.size(); i++) {
                findUnknown(value.get(i), schema.path("items"), path + "[" + i + "]", unknown);
            }
        } else if (value.isObject()) {
            boolean preserve =
                    schema.path("x-kubernetes-preserve-unknown-fields").asBoolean();
            for (Map.Entry<String, JsonNode> e : value.properties()) {
                JsonNode child = field(schema, e.getKey());
                if (child != null || !preserve) {
                    findUnknown(e.getValue(), child, path + "." + e.getKey(), unknown);
                }
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
            object.properties().removeIf(e -> e.getValue().isNull() && !isNullable(field(schema, e.getKey())));
            for (Map.Entry<String, JsonNode> property :
                    schema.path("properties").properties()) {
                JsonNode fallback = property.getValue().get("default");
                if (fallback != null && !object.has(property.getKey())) {
                    object.set(property.getKey(), fallback.deepCopy());
                }
            }
            for (Map.Entry<String, JsonNode> e : object.properties()) {
                JsonNode child = field(schema, e.getKey());
                if (child != null) {
                    fill(e.getValue(), child);
                }
            }
        }
    }

    private static boolean isNullable(@Nullable JsonNode schema) {
        return schema == null || schema.path("nullable").asBoolean();
    }

    /** What breaks the schema, each with its path. */
    List<String> validate(ObjectNode object) {
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
}
