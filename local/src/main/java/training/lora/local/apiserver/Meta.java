package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.stream.StreamSupport;

/** What an object's metadata says; a text that is not there is empty. */
final class Meta {
    private Meta() {}

    static ObjectNode of(ObjectNode object) {
        return object.withObject("/metadata");
    }

    static String text(ObjectNode object, String field) {
        return object.path("metadata").path(field).asText("");
    }

    static String name(ObjectNode object) {
        return text(object, "name");
    }

    static String namespace(ObjectNode object) {
        return text(object, "namespace");
    }

    static String uid(ObjectNode object) {
        return text(object, "uid");
    }

    static boolean isDeleted(ObjectNode object) {
        return object.path("metadata").has("deletionTimestamp");
    }

    static List<String> finalizers(ObjectNode object) {
        return texts(object.path("metadata").path("finalizers"));
    }

    /** The uids of its owners. */
    static List<String> owners(ObjectNode object) {
        return StreamSupport.stream(
                        object.path("metadata").path("ownerReferences").spliterator(), false)
                .map(owner -> owner.path("uid").asText())
                .toList();
    }

    static List<String> texts(JsonNode list) {
        return StreamSupport.stream(list.spliterator(), false)
                .map(JsonNode::asText)
                .toList();
    }
}
