package training.lora.trainer.track;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.LinkedHashMap;
import java.util.Map;
import training.lora.api.RunSpec;

/** What a run is made from, as people look for it: the base model, data, and how it is trained. */
final class Parameters {
    private Parameters() {}

    /** Fields of the spec, without Secrets' names, signatures and tokens. */
    static ObjectNode of(RunSpec run) {
        ObjectNode all = RunSpec.withoutSecrets(run.shown());
        all.retain("baseModel", "datasets", "training");
        return all;
    }

    /** The same with a name for each value, such as training.optimizer.type. */
    static Map<String, String> flat(RunSpec run) {
        Map<String, String> flat = new LinkedHashMap<>();
        of(run).fields().forEachRemaining(field -> add(field.getKey(), field.getValue(), flat));
        return flat;
    }

    private static void add(String name, JsonNode value, Map<String, String> flat) {
        if (value.isObject()) {
            value.fields().forEachRemaining(field -> add(name + "." + field.getKey(), field.getValue(), flat));
        } else if (value.isArray() && !value.isEmpty() && value.get(0).isObject()) {
            for (int i = 0; i < value.size(); i++) {
                add(name + "." + i, value.get(i), flat);
            }
        } else if (!value.isNull() && !value.asText(value.toString()).isEmpty()) {
            flat.put(name, value.isValueNode() ? value.asText() : value.toString());
        }
    }
}
