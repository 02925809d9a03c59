package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;

/** Reads and writes {@code metadata.managedFields}; only appliers have their fields recorded. */
final class ManagedFields {
    private ManagedFields() {}

    /** The fields that {@code manager} applied; missing if it never did. */
    static JsonNode appliedBy(ObjectNode object, String manager, String subresource) {
        for (JsonNode entry : object.path("metadata").path("managedFields")) {
            if (isEntry(entry, manager, "Apply", subresource)) {
                return entry.path("fieldsV1");
            }
        }
        return JsonNodeFactory.instance.missingNode();
    }

    static List<JsonNode> appliedByOthers(ObjectNode object, String manager, String subresource) {
        List<JsonNode> others = new ArrayList<>();
        for (JsonNode entry : object.path("metadata").path("managedFields")) {
            if (!isEntry(entry, manager, "Apply", subresource)) {
                others.add(entry.path("fieldsV1"));
            }
        }
        return others;
    }

    static void record(
            ObjectNode object, String manager, String operation, String subresource, String now, ObjectNode fields) {
        ArrayNode entries = object.withObject("/metadata").withArray("managedFields");
        for (int i = entries.size() - 1; i >= 0; i--) {
            if (isEntry(entries.path(i), manager, operation, subresource)) {
                entries.remove(i);
            }
        }
        ObjectNode entry = entries.addObject()
                .put("manager", manager)
                .put("operation", operation)
                .put("apiVersion", object.path("apiVersion").asText())
                .put("time", now)
                .put("fieldsType", "FieldsV1");
        entry.set("fieldsV1", fields);
        if (!subresource.isEmpty()) {
            entry.put("subresource", subresource);
        }
    }

    private static boolean isEntry(JsonNode entry, String manager, String operation, String subresource) {
        return entry.path("manager").asText().equals(manager)
                && entry.path("operation").asText().equals(operation)
                && entry.path("subresource").asText().equals(subresource);
    }
}
