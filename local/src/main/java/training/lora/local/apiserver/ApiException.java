package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;

/** A request that is answered with a {@code Status}: its code and reason are those of a real API server. */
final class ApiException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final int code;
    private final String reason;

    private ApiException(int code, String reason, String message) {
        super(message, null, false, false);
        this.code = code;
        this.reason = reason;
    }

    static ApiException badRequest(String message) {
        return new ApiException(400, "BadRequest", message);
    }

    static ApiException unauthorized() {
        return new ApiException(401, "Unauthorized", "Unauthorized");
    }

    static ApiException notFound(Resource resource, String name) {
        return new ApiException(404, "NotFound", resource.qualifiedName() + " \"" + name + "\" not found");
    }

    static ApiException notServed(String what) {
        return new ApiException(404, "NotFound", what + " is not served by this embedded API server");
    }

    static ApiException methodNotAllowed(String what) {
        return new ApiException(405, "MethodNotAllowed", "this embedded API server does not support " + what);
    }

    static ApiException notAcceptable(String accept) {
        return new ApiException(
                406, "NotAcceptable", "this embedded API server does not answer in a form of " + accept);
    }

    static ApiException alreadyExists(Resource resource, String name) {
        return new ApiException(409, "AlreadyExists", resource.qualifiedName() + " \"" + name + "\" already exists");
    }

    static ApiException conflict(Resource resource, String name, String why) {
        return new ApiException(
                409,
                "Conflict",
                "Operation cannot be fulfilled on " + resource.qualifiedName() + " \"" + name + "\": " + why);
    }

    static ApiException expired(String message) {
        return new ApiException(410, "Expired", message);
    }

    static ApiException unsupportedMediaType(String type, String instead) {
        return new ApiException(
                415,
                "UnsupportedMediaType",
                "this embedded API server does not take a body of type " + type + "; " + instead);
    }

    static ApiException invalid(String message) {
        return new ApiException(422, "Invalid", message);
    }

    static ApiException invalid(Resource resource, String name, List<String> causes) {
        return invalid(resource.kind() + " \"" + name + "\" is invalid: " + String.join("; ", causes));
    }

    int code() {
        return code;
    }

    /** This failure as the {@code Status} object that goes over the wire. */
    JsonNode toStatus() {
        ObjectNode status = JsonNodeFactory.instance.objectNode();
        status.put("kind", "Status").put("apiVersion", "v1").putObject("metadata");
        return status.put("status", "Failure")
                .put("message", getMessage())
                .put("reason", reason)
                .put("code", code);
    }
}
