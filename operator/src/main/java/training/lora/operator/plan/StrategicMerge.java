package training.lora.operator.plan;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A strategic merge into a pod's spec, as {@code kubectl patch} does it: objects are merged, and so are lists whose entries
 * Kubernetes gives a key; any other list is replaced. There are no directives ({@code $patch}).
 */
final class StrategicMerge {
    /** Each list's key: {@code x-kubernetes-patch-merge-key} in Kubernetes' OpenAPI document. */
    private static final Map<String, String> KEYS = Map.ofEntries(
            Map.entry("containers", "name"),
            Map.entry("initContainers", "name"),
            Map.entry("volumes", "name"),
            Map.entry("imagePullSecrets", "name"),
            Map.entry("resourceClaims", "name"),
            Map.entry("schedulingGates", "name"),
            Map.entry("env", "name"),
            Map.entry("hostAliases", "ip"),
            Map.entry("topologySpreadConstraints", "topologyKey"),
            Map.entry("ports", "containerPort"),
            Map.entry("volumeMounts", "mountPath"),
            Map.entry("volumeDevices", "devicePath"));

    /** Lists whose entries exclude each other's fields: a volume of another kind under the same name replaces the old one. */
    private static final Set<String> WHOLE_ENTRIES = Set.of("volumes", "resourceClaims");

    private StrategicMerge() {}

    /** Changes {@code target} to have what {@code patch} says. */
    static void into(ObjectNode target, JsonNode patch) {
        for (Map.Entry<String, JsonNode> entry : patch.properties()) {
            String name = entry.getKey();
            JsonNode value = entry.getValue();
            JsonNode old = target.get(name);
            String key = KEYS.get(name);
            if (value.isObject() && old instanceof ObjectNode object) {
                into(object, value);
            } else if (value.isArray() && old instanceof ArrayNode array && key != null) {
                entries(array, value, key, WHOLE_ENTRIES.contains(name));
            } else {
                target.set(name, value.deepCopy());
            }
        }
    }

    private static void entries(ArrayNode target, JsonNode patch, String key, boolean whole) {
        for (JsonNode entry : patch) {
            Integer same = index(target, key, entry);
            if (same == null) {
                target.add(entry.deepCopy());
            } else if (!whole && target.get(same) instanceof ObjectNode object) {
                into(object, entry);
            } else {
                target.set(same, entry.deepCopy());
            }
        }
    }

    private static @Nullable Integer index(ArrayNode target, String key, JsonNode entry) {
        for (int i = 0; i < target.size(); i++) {
            if (entry.has(key) && entry.get(key).equals(target.get(i).get(key))) {
                return i;
            }
        }
        return null;
    }
}
