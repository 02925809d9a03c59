package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.networknt.schema.JsonNodePath;
import com.networknt.schema.JsonSchema;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SpecVersion;
import com.networknt.schema.ValidationMessage;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;
import training.lora.local.apiserver.ApiException.Cause;

/** Validates by json-schema-validator and says it as a real API server does; keys of list-maps and sets are checked here. */
final class SchemaChecks {
    private static final Set<String> ARE_SCHEMAS = Set.of("items", "not", "additionalProperties");
    private static final Set<String> HAVE_SCHEMAS = Set.of("allOf", "anyOf", "oneOf");
    private static final Set<String> COPIED = Set.of(
            "type",
            "enum",
            "required",
            "pattern",
            "minimum",
            "maximum",
            "exclusiveMinimum",
            "exclusiveMaximum",
            "multipleOf",
            "minLength",
            "maxLength",
            "minItems",
            "maxItems",
            "minProperties",
            "maxProperties",
            "uniqueItems");

    private final JsonNode root;
    private final JsonSchema schema;

    SchemaChecks(JsonNode root) {
        this.root = root;
        // Draft 4, as OpenAPI 3.0 has its exclusiveMinimum as a boolean.
        this.schema = JsonSchemaFactory.getInstance(SpecVersion.VersionFlag.V4).getSchema(draft4(root));
    }

    private static JsonNode draft4(JsonNode from) {
        if (!(from instanceof ObjectNode)) {
            return from;
        }
        ObjectNode to = JsonNodeFactory.instance.objectNode();
        for (Map.Entry<String, JsonNode> e : from.properties()) {
            String keyword = e.getKey();
            if (COPIED.contains(keyword)) {
                to.set(keyword, e.getValue());
            } else if (ARE_SCHEMAS.contains(keyword)) {
                to.set(keyword, draft4(e.getValue()));
            } else if (HAVE_SCHEMAS.contains(keyword)) {
                ArrayNode all = to.putArray(keyword);
                e.getValue().forEach(one -> all.add(draft4(one)));
            } else if (keyword.equals("properties")) {
                ObjectNode all = to.putObject(keyword);
                e.getValue().properties().forEach(p -> all.set(p.getKey(), draft4(p.getValue())));
            } else if (keyword.equals("format") && e.getValue().asText().equals("date-time")) {
                to.set(keyword, e.getValue());
            }
        }
        if (from.path("x-kubernetes-int-or-string").asBoolean()) {
            to.putArray("type").add("integer").add("string");
        } else if (from.path("nullable").asBoolean() && from.has("type")) {
            to.putArray("type").add(from.get("type")).add("null");
        }
        return to;
    }

    List<Cause> check(ObjectNode object) {
        List<Cause> causes = new ArrayList<>();
        for (ValidationMessage message : schema.validate(object)) {
            causes.add(cause(object, message));
        }
        duplicates(object, root, "", causes);
        return causes;
    }

    private Cause cause(ObjectNode object, ValidationMessage message) {
        String field = path(message.getInstanceLocation());
        JsonNode value = at(object, message.getInstanceLocation());
        String keyword = message.getType();
        JsonNode limit = message.getSchemaNode().path(keyword);
        if (limit.isMissingNode()) {
            limit = message.getSchemaNode();
        }
        String n = limit.isIntegralNumber() || !limit.isNumber() ? limit.asText() : number(limit.asDouble());
        return switch (keyword) {
            case "required" -> required(field, message);
            case "enum" ->
                new Cause(
                        field,
                        "FieldValueNotSupported",
                        "Unsupported value: " + value + ": supported values: "
                                + StreamSupport.stream(limit.spliterator(), false)
                                        .map(JsonNode::toString)
                                        .collect(Collectors.joining(", ")));
            case "type" ->
                new Cause(
                        field,
                        "FieldValueTypeInvalid",
                        "Invalid value: \"" + typeOf(value) + "\": " + field + " in body must be of type "
                                + (limit.isTextual() ? limit.asText() : limit.toString()) + ": \"" + typeOf(value)
                                + "\"");
            case "maxLength" -> new Cause(field, "FieldValueTooLong", "Too long: may not be more than " + n + " bytes");
            case "maxItems", "maxProperties" ->
                new Cause(
                        field,
                        "FieldValueTooMany",
                        "Too many: " + value.size() + ": must have at most " + n + " items");
            default ->
                new Cause(
                        field,
                        "FieldValueInvalid",
                        "Invalid value: " + value + ": " + field + " in body " + should(keyword, n, message));
        };
    }

    private static Cause required(String field, ValidationMessage message) {
        String name = message.getProperty();
        return new Cause(field.isEmpty() ? name : field + "." + name, "FieldValueRequired", "Required value");
    }

    private String should(String keyword, String n, ValidationMessage message) {
        return switch (keyword) {
            case "minimum" -> "should be greater than " + (isExclusive(keyword, message) ? "" : "or equal to ") + n;
            case "maximum" -> "should be less than " + (isExclusive(keyword, message) ? "" : "or equal to ") + n;
            case "minLength" -> "should be at least " + n + " chars long";
            case "minItems" -> "should have at least " + n + " items";
            case "minProperties" -> "should have at least " + n + " properties";
            case "pattern" -> "should match '" + n + "'";
            case "multipleOf" -> "should be a multiple of " + n;
            default -> "is not valid: " + message.getMessage();
        };
    }

    private boolean isExclusive(String keyword, ValidationMessage message) {
        JsonNode at = root;
        JsonNodePath location = message.getInstanceLocation();
        for (int i = 0; i < location.getNameCount(); i++) {
            JsonNode property = location.getElement(i) instanceof Integer
                    ? at.path("items")
                    : at.path("properties").path(location.getElement(i).toString());
            at = property.isMissingNode() ? at.path("additionalProperties") : property;
        }
        return at.path(keyword.equals("minimum") ? "exclusiveMinimum" : "exclusiveMaximum")
                .asBoolean();
    }

    private static String number(double n) {
        return n == Math.rint(n) && Math.abs(n) < 1e15 ? Long.toString((long) n) : Double.toString(n);
    }

    private static String typeOf(JsonNode value) {
        return switch (value.getNodeType()) {
            case STRING -> "string";
            case NUMBER -> value.isIntegralNumber() ? "integer" : "number";
            case BOOLEAN -> "boolean";
            case ARRAY -> "array";
            case NULL -> "null";
            default -> "object";
        };
    }

    private static void duplicates(JsonNode value, JsonNode schema, String path, List<Cause> causes) {
        if (value instanceof ArrayNode array) {
            ListType type = ListType.of(schema);
            Set<JsonNode> seen = new HashSet<>();
            for (int i = 0; i < array.size(); i++) {
                String at = path + "[" + i + "]";
                if (type.isKeyed() && !seen.add(type.identity(array.get(i)))) {
                    causes.add(new Cause(at, "FieldValueDuplicate", "Duplicate value: " + type.identity(array.get(i))));
                }
                duplicates(array.get(i), schema.path("items"), at, causes);
            }
        } else if (value instanceof ObjectNode) {
            for (Map.Entry<String, JsonNode> e : value.properties()) {
                JsonNode child = schema.path("properties").path(e.getKey());
                duplicates(
                        e.getValue(),
                        child.isMissingNode() ? schema.path("additionalProperties") : child,
                        path.isEmpty() ? e.getKey() : path + "." + e.getKey(),
                        causes);
            }
        }
    }

    private static String path(JsonNodePath location) {
        StringBuilder path = new StringBuilder();
        for (int i = 0; i < location.getNameCount(); i++) {
            if (location.getElement(i) instanceof Integer index) {
                path.append('[').append(index).append(']');
            } else {
                path.append(path.isEmpty() ? "" : ".").append(location.getElement(i));
            }
        }
        return path.toString();
    }

    private static JsonNode at(JsonNode from, JsonNodePath location) {
        JsonNode at = from;
        for (int i = 0; i < location.getNameCount(); i++) {
            at = location.getElement(i) instanceof Integer index
                    ? at.path(index)
                    : at.path(location.getElement(i).toString());
        }
        return at;
    }
}
