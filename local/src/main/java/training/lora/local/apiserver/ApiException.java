package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** A request that is answered with a {@code Status}, in the words of a real API server. */
final class ApiException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final int code;
    private final String reason;
    private final @Nullable ObjectNode details;

    private ApiException(int code, String reason, String message, @Nullable ObjectNode details) {
        super(message, null, false, false);
        this.code = code;
        this.reason = reason;
        this.details = details;
    }

    /** One broken rule: {@code field: message} of a 422; {@code reason} is a {@code CauseType}. */
    record Cause(String field, String reason, String message) {}

    static ApiException badRequest(String message) {
        return new ApiException(400, "BadRequest", message, null);
    }

    static ApiException unauthorized() {
        return new ApiException(401, "Unauthorized", "Unauthorized", null);
    }

    static ApiException notFound(String message) {
        return new ApiException(404, "NotFound", message, null);
    }

    static ApiException notFound(Resource resource, String name) {
        return new ApiException(
                404,
                "NotFound",
                resource.qualifiedName() + " \"" + name + "\" not found",
                details(resource.group(), resource.plural(), name));
    }

    static ApiException methodNotAllowed(String what) {
        return new ApiException(405, "MethodNotAllowed", "this embedded API server does not support " + what, null);
    }

    static ApiException notAcceptable(String message) {
        return new ApiException(406, "NotAcceptable", message, null);
    }

    static ApiException alreadyExists(Resource resource, String name) {
        return new ApiException(
                409,
                "AlreadyExists",
                resource.qualifiedName() + " \"" + name + "\" already exists",
                details(resource.group(), resource.plural(), name));
    }

    static ApiException conflict(Resource resource, String name, String why) {
        return new ApiException(
                409,
                "Conflict",
                "Operation cannot be fulfilled on " + resource.qualifiedName() + " \"" + name + "\": " + why,
                details(resource.group(), resource.plural(), name));
    }

    static ApiException expired(String message) {
        return new ApiException(410, "Expired", message, null);
    }

    static ApiException unsupportedMediaType(String message) {
        return new ApiException(415, "UnsupportedMediaType", message, null);
    }

    static ApiException failedPatch(String message) {
        return new ApiException(422, "Invalid", message, null);
    }

    static ApiException invalid(Resource resource, String name, List<Cause> causes) {
        String all = causes.stream().map(c -> c.field + ": " + c.message).collect(Collectors.joining(", "));
        ObjectNode details = details(resource.group(), resource.kind(), name);
        for (Cause cause : causes) {
            details.withArray("causes")
                    .addObject()
                    .put("reason", cause.reason)
                    .put("message", cause.message)
                    .put("field", cause.field);
        }
        String kind = resource.group().isEmpty() ? resource.kind() : resource.kind() + "." + resource.group();
        return new ApiException(
                422,
                "Invalid",
                kind + " \"" + name + "\" is invalid: " + (causes.size() == 1 ? all : "[" + all + "]"),
                details);
    }

    private static ObjectNode details(String group, String kind, String name) {
        ObjectNode details = JsonNodeFactory.instance.objectNode().put("name", name);
        if (!group.isEmpty()) {
            details.put("group", group);
        }
        return details.put("kind", kind);
    }

    int code() {
        return code;
    }

    /** This failure as the {@code Status} object that goes over the wire. */
    JsonNode toStatus() {
        ObjectNode status = JsonNodeFactory.instance.objectNode();
        status.put("kind", "Status").put("apiVersion", "v1").putObject("metadata");
        status.put("status", "Failure").put("message", getMessage()).put("reason", reason);
        if (details != null) {
            status.set("details", details);
        }
        return status.put("code", code);
    }
}
