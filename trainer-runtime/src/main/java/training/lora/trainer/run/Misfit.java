package training.lora.trainer.run;

import com.fasterxml.jackson.databind.JsonMappingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.exc.MismatchedInputException;
import com.fasterxml.jackson.databind.exc.UnrecognizedPropertyException;
import com.fasterxml.jackson.databind.exc.ValueInstantiationException;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.util.Arrays;
import java.util.Collection;
import java.util.Map;
import java.util.stream.Collectors;
import training.lora.api.Json;
import training.lora.api.Uris;

/** Says in which field a spec does not fit the API, what must stand there and what does. */
final class Misfit {
    private static final int LONGEST_VALUE = 80;

    private Misfit() {}

    /** @param spec what was read */
    static String sentence(JsonMappingException e, JsonNode spec) {
        StringBuilder path = new StringBuilder("spec");
        JsonNode value = spec;
        for (JsonMappingException.Reference reference : e.getPath()) {
            String field = reference.getFieldName();
            path.append(field != null ? "." + field : "[" + reference.getIndex() + "]");
            value = field != null ? value.path(field) : value.path(reference.getIndex());
        }
        String was = e instanceof UnrecognizedPropertyException ? "" : ", was " + shortened(value);
        return "`" + path + "` must be " + expected(e) + was;
    }

    private static String expected(JsonMappingException e) {
        if (e instanceof ValueInstantiationException) {
            // Lists are copied, which no null survives.
            return "without empty entries in its lists";
        }
        return e instanceof MismatchedInputException wrong ? expected(wrong) : "a number within the field's range";
    }

    private static String expected(MismatchedInputException e) {
        if (e instanceof UnrecognizedPropertyException unknown) {
            return "a known field; known here are "
                    + unknown.getKnownPropertyIds().stream()
                            .map(Object::toString)
                            .sorted()
                            .collect(Collectors.joining(", "));
        }
        Class<?> type = e.getTargetType();
        if (type.isEnum()) {
            return "one of " + Arrays.toString(type.getEnumConstants());
        }
        if (type == Integer.class || type == Long.class) {
            return "a whole number";
        }
        if (Number.class.isAssignableFrom(type)) {
            return "a number";
        }
        if (type == Boolean.class) {
            return "true or false";
        }
        if (Collection.class.isAssignableFrom(type)) {
            return "a list";
        }
        return type.isRecord() || Map.class.isAssignableFrom(type) ? "a mapping of fields" : "text";
    }

    private static String shortened(JsonNode value) {
        JsonNode shown = shown(value);
        String text = shown.isTextual() ? shown.asText() : shown.toString();
        return text.length() <= LONGEST_VALUE ? text : text.substring(0, LONGEST_VALUE) + "…";
    }

    /** The same without what may be secret in addresses, whichever fields they stand in. */
    private static JsonNode shown(JsonNode value) {
        if (value.isTextual()) {
            return TextNode.valueOf(Uris.shown(value.asText()));
        }
        if (value.isArray()) {
            ArrayNode entries = Json.MAPPER.createArrayNode();
            value.forEach(entry -> entries.add(shown(entry)));
            return entries;
        }
        if (value.isObject()) {
            ObjectNode fields = Json.MAPPER.createObjectNode();
            value.fields().forEachRemaining(field -> fields.set(field.getKey(), shown(field.getValue())));
            return fields;
        }
        return value;
    }
}
