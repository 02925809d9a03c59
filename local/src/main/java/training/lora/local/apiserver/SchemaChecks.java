package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.networknt.schema.JsonMetaSchema;
import com.networknt.schema.JsonSchema;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.NonValidationKeyword;
import com.networknt.schema.PathType;
import com.networknt.schema.SchemaValidatorsConfig;
import com.networknt.schema.ValidationMessage;
import com.networknt.schema.oas.OpenApi30;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** Validates by json-schema-validator, in its words; keys of list-maps and sets are checked here. */
final class SchemaChecks {
    // What Kubernetes adds to OpenAPI asserts nothing by itself.
    private static final JsonMetaSchema DIALECT = JsonMetaSchema.builder(
                    OpenApi30.getInstance().getIri(), OpenApi30.getInstance())
            .unknownKeywordFactory((keyword, context) -> new NonValidationKeyword(keyword))
            .build();
    private static final JsonSchemaFactory FACTORY = JsonSchemaFactory.builder()
            .metaSchema(DIALECT)
            .defaultMetaSchemaIri(DIALECT.getIri())
            .build();
    private static final String ROOT = "$.";

    private final JsonNode root;
    private final JsonSchema schema;

    SchemaChecks(JsonNode root) {
        this.root = root;
        this.schema = FACTORY.getSchema(
                root,
                SchemaValidatorsConfig.builder().pathType(PathType.JSON_PATH).build());
    }

    List<String> check(ObjectNode object) {
        List<String> causes = new ArrayList<>();
        for (ValidationMessage message : schema.validate(object)) {
            causes.add(cause(message));
        }
        duplicates(object, root, "", causes);
        return causes;
    }

    private String cause(ValidationMessage message) {
        String place = message.getInstanceLocation().toString();
        String words = message.getMessage().substring(place.length());
        // A field that is missing is named as if it were there.
        String field = message.getProperty() == null ? place : place + "." + message.getProperty();
        return (field.startsWith(ROOT) ? field.substring(ROOT.length()) : field)
                + words
                + (isExclusive(message) ? ", and not that value itself" : "");
    }

    private boolean isExclusive(ValidationMessage message) {
        String keyword = message.getType();
        String exclusive = "exclusive" + keyword.substring(0, 1).toUpperCase(Locale.ROOT) + keyword.substring(1);
        return root.at(message.getSchemaLocation().getFragment().getParent() + "/" + exclusive)
                .asBoolean();
    }

    private static void duplicates(JsonNode value, JsonNode schema, String path, List<String> causes) {
        if (value instanceof ArrayNode array) {
            Set<JsonNode> seen = new HashSet<>();
            String type = schema.path("x-kubernetes-list-type").asText();
            for (int i = 0; i < array.size(); i++) {
                JsonNode key = type.equals("map") ? key(array.get(i), schema) : array.get(i);
                if (!seen.add(key) && (type.equals("map") || type.equals("set"))) {
                    causes.add(path + "[" + i + "]: Duplicate value: " + key);
                }
                duplicates(array.get(i), schema.path("items"), path + "[" + i + "]", causes);
            }
        }
        for (Map.Entry<String, JsonNode> e : value.properties()) {
            JsonNode child = schema.path("properties").path(e.getKey());
            duplicates(
                    e.getValue(),
                    child.isMissingNode() ? schema.path("additionalProperties") : child,
                    path.isEmpty() ? e.getKey() : path + "." + e.getKey(),
                    causes);
        }
    }

    private static JsonNode key(JsonNode entry, JsonNode schema) {
        ObjectNode key = Request.JSON.createObjectNode();
        for (String name : Meta.texts(schema.path("x-kubernetes-list-map-keys"))) {
            key.set(name, entry.path(name));
        }
        return key;
    }
}
