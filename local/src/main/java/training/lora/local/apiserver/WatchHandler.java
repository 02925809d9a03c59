package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.OutputStream;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;

/** Streams writes as lines of JSON until the client goes, its time is up or the server closes. */
final class WatchHandler {
    private static final long LONGEST_SECONDS = Duration.ofMinutes(30).toSeconds();
    private static final long POLL_MILLIS = 500;

    private final Store store;
    private final BooleanSupplier closed;

    WatchHandler(Store store, BooleanSupplier closed) {
        this.store = store;
        this.closed = closed;
    }

    void watch(Request request, Resource resource, Predicate<ObjectNode> selector) throws IOException {
        if (request.flag("sendInitialEvents")) {
            // With this code client-go lists first instead.
            throw ApiException.invalid("this embedded API server does not support sendInitialEvents");
        }
        Instant end = Instant.now().plusSeconds(request.number("timeoutSeconds", LONGEST_SECONDS));
        long since = request.number("resourceVersion", 0);
        try (Store.Subscription subscription = store.subscribe(resource.qualifiedName(), since)) {
            request.exchange().getResponseHeaders().set("Content-Type", "application/json");
            request.exchange().sendResponseHeaders(200, 0);
            try (OutputStream out = request.exchange().getResponseBody()) {
                out.flush();
                if (subscription.isTooLate()) {
                    // As a real server does: the stream begins, and its only event says so.
                    send(
                            out,
                            "ERROR",
                            ApiException.expired("too old resource version: " + since)
                                    .toStatus());
                    return;
                }
                while (!closed.getAsBoolean() && Instant.now().isBefore(end)) {
                    Store.Event event = subscription.queue().poll(POLL_MILLIS, TimeUnit.MILLISECONDS);
                    String type = event == null ? "" : event.type(selector);
                    if (event != null && !type.isEmpty()) {
                        ObjectNode object = event.object();
                        send(out, type, ResourceHandler.form(request, resource, object));
                    }
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private static void send(OutputStream out, String type, JsonNode object) throws IOException {
        ObjectNode line = JsonNodeFactory.instance.objectNode().put("type", type);
        line.set("object", object);
        out.write(Request.JSON.writeValueAsBytes(line));
        out.write('\n');
        out.flush();
    }
}
