package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import dev.cel.common.values.NullValue;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Turns JSON into the values of a CEL expression; the schema tells a double from an integer. */
final class CelValues {
    private CelValues() {}

    static Object of(JsonNode value, JsonNode schema) {
        return switch (value.getNodeType()) {
            case STRING -> value.asText();
            case BOOLEAN -> value.asBoolean();
            case NUMBER -> number(value, schema);
            case ARRAY -> list(value, schema);
            case OBJECT -> map(value, schema);
            default -> NullValue.NULL_VALUE;
        };
    }

    private static Object number(JsonNode value, JsonNode schema) {
        boolean isDouble = schema.path("type").asText().equals("number") || !value.canConvertToExactIntegral();
        return isDouble ? (Object) value.asDouble() : (Object) value.asLong();
    }

    private static List<Object> list(JsonNode value, JsonNode schema) {
        List<Object> list = new ArrayList<>();
        value.forEach(item -> list.add(of(item, schema.path("items"))));
        return list;
    }

    private static Map<String, Object> map(JsonNode value, JsonNode schema) {
        Map<String, Object> map = new LinkedHashMap<>();
        for (Map.Entry<String, JsonNode> e : value.properties()) {
            JsonNode property = schema.path("properties").path(e.getKey());
            map.put(
                    e.getKey(),
                    of(e.getValue(), property.isMissingNode() ? schema.path("additionalProperties") : property));
        }
        return map;
    }
}
