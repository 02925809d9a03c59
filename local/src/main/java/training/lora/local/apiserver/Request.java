package training.lora.local.apiserver;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
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
        return Boolean.parseBoolean(query(name)) || query(name).equals("1");
    }

    /** A number of the query; {@code absent} where there is none. */
    long number(String name, long absent) {
        try {
            return query(name).isEmpty() ? absent : Long.parseLong(query(name));
        } catch (NumberFormatException e) {
            throw ApiException.badRequest("`" + name + "` must be a number, was " + query(name));
        }
    }

    /** The media type of the body, without its parameters. */
    String contentType() {
        return header("Content-Type").split(";", 2)[0].trim();
    }

    /** @throws ApiException 415 if it is neither JSON nor what {@link Protobuf} knows, 400 if it can't be parsed */
    JsonNode body() {
        boolean protobuf = contentType().equals(Protobuf.TYPE);
        if (!contentType().isEmpty() && !contentType().endsWith("json") && !protobuf) {
            throw ApiException.unsupportedMediaType(contentType(), "it takes JSON alone");
        }
        try {
            byte[] bytes = exchange.getRequestBody().readAllBytes();
            return protobuf ? Protobuf.read(bytes) : JSON.readTree(bytes);
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
}
