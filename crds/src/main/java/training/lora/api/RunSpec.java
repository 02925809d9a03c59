package training.lora.api;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;
import java.util.TreeMap;

/**
 * What the operator mounts for the trainer: the resource's spec with every default, and whose run it is.
 *
 * @param version {@link #VERSION}
 * @param owner the resource
 * @param runId {@link #runId} of owner and spec
 * @param spec the spec
 */
public record RunSpec(String version, Owner owner, String runId, LoraTrainingSpec spec) {
    /** Version of this file's JSON. */
    public static final String VERSION = "lora.training/run/v1";

    /** The run of a resource. */
    public static RunSpec of(String namespace, String name, LoraTrainingSpec spec) {
        Owner owner = new Owner(namespace, name);
        return new RunSpec(VERSION, owner, runId(owner, spec), spec);
    }

    /**
     * Identity of a run: 16 hex digits of the sha256 over its owner and what its result depends on (not over suspend,
     * runtime, retries, deadlines and TTL), in JSON with sorted keys.
     */
    public static String runId(Owner owner, LoraTrainingSpec spec) {
        ObjectNode node = Json.MAPPER.valueToTree(spec);
        for (String field : new String[] {
            "suspend", "runtime", "retries", "activeDeadlineSeconds", "startDeadlineSeconds", "ttlSecondsAfterFinished"
        }) {
            node.remove(field);
        }
        try {
            String text = owner.namespace() + "/" + owner.name() + "\n" + Json.MAPPER.writeValueAsString(sorted(node));
            return TextDigest.sha256(text).substring(0, 16);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }

    private static Object sorted(JsonNode node) {
        if (node.isObject()) {
            Map<String, Object> map = new TreeMap<>();
            node.fields().forEachRemaining(e -> map.put(e.getKey(), sorted(e.getValue())));
            return map;
        }
        if (node.isArray()) {
            java.util.List<Object> list = new java.util.ArrayList<>();
            node.forEach(e -> list.add(sorted(e)));
            return list;
        }
        return node;
    }
}
