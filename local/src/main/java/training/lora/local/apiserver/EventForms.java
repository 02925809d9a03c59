package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;

/** Events are stored as core/v1 has them; this turns them into the form of events.k8s.io/v1 and back. */
final class EventForms {
    // events.k8s.io name -> core name
    private static final Map<String, String> NAMES = Map.of(
            "regarding", "involvedObject",
            "note", "message",
            "reportingController", "reportingComponent",
            "deprecatedSource", "source",
            "deprecatedFirstTimestamp", "firstTimestamp",
            "deprecatedLastTimestamp", "lastTimestamp",
            "deprecatedCount", "count");

    private EventForms() {}

    static boolean isOther(Resource resource) {
        return resource.is("events.events.k8s.io");
    }

    static ObjectNode toCore(ObjectNode event) {
        ObjectNode core = event.deepCopy();
        NAMES.forEach((other, name) -> rename(core, other, name));
        return core.put("apiVersion", "v1");
    }

    static ObjectNode fromCore(ObjectNode core) {
        ObjectNode event = core.deepCopy();
        NAMES.forEach((other, name) -> rename(event, name, other));
        return event.put("apiVersion", "events.k8s.io/v1");
    }

    private static void rename(ObjectNode object, String from, String to) {
        if (object.has(from)) {
            object.set(to, object.remove(from));
        }
    }
}
