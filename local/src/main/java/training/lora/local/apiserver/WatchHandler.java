package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.OutputStream;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** Streams writes as lines of JSON until the client goes, its time is up or the server closes. */
final class WatchHandler {
    private static final Duration LONGEST = Duration.ofMinutes(30);
    private static final Duration BOOKMARK_INTERVAL = Duration.ofSeconds(30);
    private static final long POLL_MILLIS = 500;

    private final Store store;
    private final BooleanSupplier closed;

    WatchHandler(Store store, BooleanSupplier closed) {
        this.store = store;
        this.closed = closed;
    }

    /** @param form turns stored objects into what the request's version shows */
    void watch(
            Request request,
            Resource resource,
            String namespace,
            Predicate<ObjectNode> selector,
            UnaryOperator<ObjectNode> form)
            throws IOException {
        String from = request.query("resourceVersion");
        boolean initial = from.isEmpty() || from.equals("0") || request.flag("sendInitialEvents");
        Long since = initial ? null : Long.valueOf(parse(from));
        // As a real server does: where the log no longer reaches back, the stream begins, and its only event says so.
        boolean expired = since != null && store.hasForgotten(since);
        try (Store.Subscription subscription =
                store.subscribe(resource.storageKey(), namespace, expired ? Long.valueOf(store.version()) : since)) {
            request.exchange().getResponseHeaders().set("Content-Type", "application/json");
            request.exchange().sendResponseHeaders(200, 0);
            try (OutputStream out = request.exchange().getResponseBody()) {
                var stream = new Stream(request, resource, out, form);
                out.flush();
                if (expired) {
                    stream.send(
                            "ERROR",
                            ApiException.expired("too old resource version: " + from)
                                    .toStatus());
                    return;
                }
                stream.initial(subscription.initial(), namespace, selector);
                stream.follow(subscription, namespace, selector);
            }
        }
    }

    private static long parse(String version) {
        try {
            return Long.parseLong(version);
        } catch (NumberFormatException e) {
            throw ApiException.badRequest("`resourceVersion` must be a number, was " + version);
        }
    }

    private final class Stream {
        private final Request request;
        private final Resource resource;
        private final OutputStream out;
        private final UnaryOperator<ObjectNode> form;
        private final Instant end;
        private final boolean tables;

        Stream(Request request, Resource resource, OutputStream out, UnaryOperator<ObjectNode> form) {
            this.request = request;
            this.resource = resource;
            this.out = out;
            this.form = form;
            this.tables = Tables.isWanted(request);
            String timeout = request.query("timeoutSeconds");
            this.end = Instant.now().plus(timeout.isEmpty() ? LONGEST : Duration.ofSeconds(Long.parseLong(timeout)));
        }

        void initial(Store.@Nullable Snapshot snapshot, String namespace, Predicate<ObjectNode> selector)
                throws IOException {
            if (snapshot == null) {
                return;
            }
            for (ObjectNode object : snapshot.objects()) {
                if (isIn(namespace, object) && selector.test(object)) {
                    send("ADDED", shown(object));
                }
            }
            if (request.flag("sendInitialEvents")) {
                ObjectNode bookmark = bookmark(snapshot.version());
                bookmark.withObject("/metadata").putObject("annotations").put("k8s.io/initial-events-end", "true");
                send("BOOKMARK", bookmark);
            }
        }

        void follow(Store.Subscription subscription, String namespace, Predicate<ObjectNode> selector)
                throws IOException {
            Instant nextBookmark = Instant.now().plus(BOOKMARK_INTERVAL);
            while (!closed.getAsBoolean() && Instant.now().isBefore(end)) {
                Store.Event event;
                try {
                    event = subscription.queue().poll(POLL_MILLIS, TimeUnit.MILLISECONDS);
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                    return;
                }
                if (event != null && isIn(namespace, event.object())) {
                    send(event, selector);
                } else if (event == null && Instant.now().isAfter(nextBookmark)) {
                    nextBookmark = Instant.now().plus(BOOKMARK_INTERVAL);
                    if (request.flag("allowWatchBookmarks") && !tables) {
                        send("BOOKMARK", bookmark(store.version()));
                    }
                }
            }
        }

        private void send(Store.Event event, Predicate<ObjectNode> selector) throws IOException {
            boolean before = event.before() != null && selector.test(event.before());
            boolean now = event.change() != Store.Change.DELETED && selector.test(event.object());
            if (now) {
                send(before ? "MODIFIED" : "ADDED", shown(event.object()));
            } else if (before) {
                send("DELETED", shown(event.object()));
            }
        }

        private ObjectNode shown(ObjectNode object) {
            ObjectNode formed = form.apply(object);
            String version = object.path("metadata").path("resourceVersion").asText();
            return tables ? Tables.of(resource, List.of(formed), version, request.query("includeObject")) : formed;
        }

        private ObjectNode bookmark(long version) {
            ObjectNode bookmark = JsonNodeFactory.instance
                    .objectNode()
                    .put("kind", resource.kind())
                    .put("apiVersion", resource.apiVersion());
            bookmark.putObject("metadata").put("resourceVersion", Long.toString(version));
            return bookmark;
        }

        void send(String type, JsonNode object) throws IOException {
            ObjectNode line = JsonNodeFactory.instance.objectNode().put("type", type);
            line.set("object", object);
            out.write(Request.JSON.writeValueAsBytes(line));
            out.write('\n');
            out.flush();
        }
    }

    private static boolean isIn(String namespace, ObjectNode object) {
        return namespace.isEmpty()
                || object.path("metadata").path("namespace").asText().equals(namespace);
    }
}
