package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import org.jspecify.annotations.Nullable;

/** An answer in one piece; a null body is empty. */
record Response(int code, @Nullable JsonNode body) {
    static Response ok(JsonNode body) {
        return new Response(200, body);
    }

    static Response created(JsonNode body) {
        return new Response(201, body);
    }
}
