package training.lora.operator.reconcile;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Iterator;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;
import training.lora.api.LoraTrainingStatus;

/** The JSON merge patch from one status to another. */
final class StatusPatch {
    private StatusPatch() {}

    /** Fields of the status that differ; a removed one is null. */
    static ObjectNode between(@Nullable LoraTrainingStatus before, LoraTrainingStatus after) {
        ObjectNode old = before == null ? Json.MAPPER.createObjectNode() : Json.MAPPER.valueToTree(before);
        ObjectNode wanted = Json.MAPPER.valueToTree(after);
        ObjectNode patch = Json.MAPPER.createObjectNode();
        Set<String> fields = new TreeSet<>();
        names(old.fieldNames(), fields);
        names(wanted.fieldNames(), fields);
        for (String field : fields) {
            JsonNode value = wanted.get(field);
            JsonNode was = old.get(field);
            if (value == null || !value.equals(was)) {
                replace(patch, field, was, value);
            }
        }
        return patch;
    }

    /** An object is merged key by key, so those that are gone must be named. */
    private static void replace(ObjectNode patch, String field, @Nullable JsonNode was, @Nullable JsonNode value) {
        if (value instanceof ObjectNode object && was instanceof ObjectNode before) {
            ObjectNode nested = object.deepCopy();
            before.fieldNames().forEachRemaining(key -> {
                if (!object.has(key)) {
                    nested.putNull(key);
                }
            });
            patch.set(field, nested);
        } else {
            patch.set(field, value == null ? Json.MAPPER.nullNode() : value);
        }
    }

    private static void names(Iterator<String> from, Set<String> to) {
        from.forEachRemaining(to::add);
    }
}
