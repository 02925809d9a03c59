package training.lora.local.apiserver;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import com.sun.net.httpserver.HttpExchange;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A request, taken apart.
 *
 * @param path without its slashes: {@code [api, v1, namespaces, default, pods]}
 */
record Request(HttpExchange exchange, String method, List<String> path, Map<String, String> query) {
    static final ObjectMapper JSON = JsonMapper.builder().build();
    private static final ObjectMapper YAML = YAMLMapper.builder().build();

    static Request of(HttpExchange exchange) {
        List<String> path = new ArrayList<>();
        for (String part : exchange.getRequestURI().getRawPath().split("/", -1)) {
            if (!part.isEmpty()) {
                path.add(decode(part.replace("+", "%2B")));
            }
        }
        Map<String, String> query = new HashMap<>();
        String raw = exchange.getRequestURI().getRawQuery();
        for (String part : raw == null ? new String[0] : raw.split("&", -1)) {
            int equals = part.indexOf('=');
            query.put(
                    decode(equals < 0 ? part : part.substring(0, equals)),
                    equals < 0 ? "" : decode(part.substring(equals + 1)));
        }
        return new Request(exchange, exchange.getRequestMethod(), path, query);
    }

    private static String decode(String text) {
        return URLDecoder.decode(text, StandardCharsets.UTF_8);
    }

    String header(String name) {
        return Optional.ofNullable(exchange.getRequestHeaders().getFirst(name)).orElse("");
    }

    String query(String name) {
        return query.getOrDefault(name, "");
    }

    boolean flag(String name) {
        String value = query(name);
        return value.equals("true") || value.equals("1") || value.equals("True");
    }

    /** The media type of the body, without its parameters. */
    String contentType() {
        String type = header("Content-Type");
        int end = type.indexOf(';');
        return (end < 0 ? type : type.substring(0, end)).trim();
    }

    /** @throws ApiException 415 for a form that is not read here, 400 if it can't be parsed */
    JsonNode body() {
        String type = contentType();
        if (type.contains("protobuf") || type.contains("cbor")) {
            throw ApiException.unsupportedMediaType("the body of the request was in an unknown format (" + type
                    + ") - accepted media types include: application/json, application/yaml");
        }
        try {
            byte[] bytes = exchange.getRequestBody().readAllBytes();
            return (type.contains("yaml") ? YAML : JSON).readTree(bytes);
        } catch (JacksonException e) {
            throw ApiException.badRequest("the body can't be parsed: " + e.getOriginalMessage());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    ObjectNode objectBody() {
        if (body() instanceof ObjectNode object) {
            return object;
        }
        throw ApiException.badRequest("the body must be an object");
    }

    /** Who writes: {@code fieldManager}, else the first word of the user agent. */
    String manager() {
        String agent = header("User-Agent").split("/", 2)[0];
        return query.getOrDefault("fieldManager", agent.isEmpty() ? "unknown" : agent);
    }

    boolean dryRun() {
        String value = query("dryRun");
        if (!value.isEmpty() && !value.equals("All")) {
            throw ApiException.badRequest("`dryRun` must be All, was " + value);
        }
        return !value.isEmpty();
    }
}
