package training.lora.trainer.track;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.Closeable;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Base64;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;
import training.lora.trainer.http.Http;
import training.lora.trainer.http.RefusedAddressException;

/** Calls of a service's API, which tell what it won't do from what may succeed later. */
final class Api implements Closeable {
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    private static final int MOST_BYTES = 4 << 20;

    private static final int MOST_SHOWN = 200;

    private final String base;
    private final Key key;
    private final Http http;

    /**
     * @param base without a slash at its end
     */
    Api(String base, Key key, Http http) {
        this.base = base.replaceFirst("/+$", "");
        this.key = key;
        this.http = http;
    }

    /**
     * What opens a service.
     *
     * @param header of HTTP; null for none
     * @param secret what must not be shown; empty for nothing
     * @param from where it can be given, as in "`field`, or VARIABLE"
     */
    record Key(@Nullable String header, String secret, String from) {
        static Key token(String token, String from) {
            return new Key("Bearer " + token, token, from);
        }

        static Key password(String user, String password, String from) {
            byte[] both = (user + ":" + password).getBytes(StandardCharsets.UTF_8);
            return new Key("Basic " + Base64.getEncoder().encodeToString(both), password, from);
        }

        static Key none(String from) {
            return new Key(null, "", from);
        }

        @Override
        public String toString() {
            return from;
        }
    }

    private interface Call {
        Http.Answer of(URI url) throws IOException;
    }

    JsonNode get(String path) throws IOException {
        return call(path, url -> http.get(url, Map.of(), key.header()));
    }

    JsonNode post(String path, JsonNode body) throws IOException {
        byte[] json = Json.MAPPER.writeValueAsBytes(body);
        return call(path, url -> http.post(url, json, key.header(), PATIENCE));
    }

    void put(String path, byte[] bytes) throws IOException {
        call(path, url -> http.put(url, bytes, key.header(), PATIENCE));
    }

    /** To another place, of which the service has given the url, without the key. */
    void put(URI url, byte[] bytes, Map<String, String> headers) throws IOException {
        call(url, to -> http.put(to, bytes, headers, PATIENCE));
    }

    private JsonNode call(String path, Call call) throws IOException {
        return call(URI.create(base + path), call);
    }

    private JsonNode call(URI to, Call call) throws IOException {
        try (Http.Answer answer = call.of(to)) {
            String text = new String(answer.body().readNBytes(MOST_BYTES), StandardCharsets.UTF_8);
            int status = answer.status();
            if (status >= 200 && status < 300) {
                return text.isBlank() ? Json.MAPPER.createObjectNode() : json(text);
            }
            if (status == 408 || status == 429 || status >= 500) {
                throw new IOException("it answered " + answer.statusLine());
            }
            if (status == 401 || status == 403) {
                throw new RefusedException(status, needsKey() + ", but it answered " + answer.statusLine());
            }
            throw new RefusedException(status, "it answered " + answer.statusLine() + says(text));
        } catch (RefusedAddressException e) {
            throw new RefusedException(0, "its address " + e.getMessage());
        }
    }

    private static JsonNode json(String text) throws IOException {
        try {
            return Json.MAPPER.readTree(text);
        } catch (JsonProcessingException e) {
            throw new IOException("its answer was no JSON");
        }
    }

    String needsKey() {
        return "there must be a key that it accepts (" + key.from() + ")";
    }

    private String says(String text) {
        try {
            JsonNode root = Json.MAPPER.readTree(text);
            String code = root.path("error_code").asText("");
            String message = root.path("message")
                    .asText(root.at("/errors/0/message")
                            .asText(root.path("error").asText("")));
            String both = (code + " " + message).strip();
            return both.isEmpty() ? "" : ": " + shown(both);
        } catch (JsonProcessingException e) {
            return "";
        }
    }

    /** In a line, without the key. */
    String shown(String text) {
        String hidden = key.secret().isEmpty() ? text : text.replace(key.secret(), "…");
        String line = hidden.replaceAll("\\s+", " ").strip();
        return line.length() <= MOST_SHOWN ? line : line.substring(0, MOST_SHOWN) + "…";
    }

    boolean hasKey() {
        return key.header() != null;
    }

    String base() {
        return base;
    }

    @Override
    public void close() throws IOException {
        http.close();
    }
}
