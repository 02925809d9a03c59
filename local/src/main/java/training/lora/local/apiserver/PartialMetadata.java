package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;

/** Objects as {@code meta.k8s.io/v1} PartialObjectMetadata, for clients that want nothing else of them. */
final class PartialMetadata {
    static final String KIND = "PartialObjectMetadata";
    static final String VERSION = "meta.k8s.io/v1";

    private PartialMetadata() {}

    static boolean isWanted(Request request) {
        String accept = request.header("Accept");
        boolean wanted = accept.contains("as=" + KIND);
        if (wanted && !accept.contains("g=meta.k8s.io;v=v1")) {
            throw ApiException.notAcceptable(accept);
        }
        return wanted;
    }

    static ObjectNode of(ObjectNode object) {
        ObjectNode partial =
                JsonNodeFactory.instance.objectNode().put("kind", KIND).put("apiVersion", VERSION);
        partial.set("metadata", object.path("metadata"));
        return partial;
    }
}
