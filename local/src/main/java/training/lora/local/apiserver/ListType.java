package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Map;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;

/**
 * How the entries of a list are told apart when lists are merged.
 *
 * @param keys of a list-map; empty for a set and for an atomic list
 */
record ListType(boolean isKeyed, List<String> keys) {
    static final ListType ATOMIC = new ListType(false, List.of());
    static final ListType SET = new ListType(true, List.of());

    // Of built-in kinds, by the field's name: what their types' patchMergeKey and listType say.
    private static final Map<String, ListType> BUILT_IN = Map.ofEntries(
            Map.entry("containers", map("name")),
            Map.entry("initContainers", map("name")),
            Map.entry("containerStatuses", map("name")),
            Map.entry("volumes", map("name")),
            Map.entry("env", map("name")),
            Map.entry("imagePullSecrets", map("name")),
            Map.entry("secrets", map("name")),
            Map.entry("volumeMounts", map("mountPath")),
            Map.entry("conditions", map("type")),
            Map.entry("ownerReferences", map("uid")),
            Map.entry("finalizers", SET));

    static ListType map(String... keys) {
        return new ListType(true, List.of(keys));
    }

    static ListType of(JsonNode schema) {
        return switch (schema.path("x-kubernetes-list-type").asText()) {
            case "map" ->
                new ListType(
                        true,
                        StreamSupport.stream(
                                        schema.path("x-kubernetes-list-map-keys")
                                                .spliterator(),
                                        false)
                                .map(JsonNode::asText)
                                .toList());
            case "set" -> SET;
            default -> ATOMIC;
        };
    }

    /** Of a field of a built-in kind, or of any object's metadata. */
    static ListType ofBuiltIn(String field) {
        return BUILT_IN.getOrDefault(field, ATOMIC);
    }

    /** What tells {@code entry} from others: its keys of a list-map, else itself. */
    JsonNode identity(JsonNode entry) {
        if (keys.isEmpty()) {
            return entry;
        }
        ObjectNode identity = JsonNodeFactory.instance.objectNode();
        for (String key : keys) {
            if (entry.has(key)) {
                identity.set(key, entry.get(key));
            }
        }
        return identity;
    }

    /** Index in {@code list} of the entry with this identity, or -1. */
    int indexOf(JsonNode list, @Nullable JsonNode identity) {
        for (int i = 0; i < list.size(); i++) {
            if (identity(list.path(i)).equals(identity)) {
                return i;
            }
        }
        return -1;
    }
}
