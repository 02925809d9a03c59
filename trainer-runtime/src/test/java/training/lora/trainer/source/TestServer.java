package training.lora.trainer.source;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.Closeable;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.jspecify.annotations.Nullable;

/** A server on this machine that answers as it is told and counts what it is asked. */
public final class TestServer implements Closeable {
    private final HttpServer server;
    private final ExecutorService threads = Executors.newCachedThreadPool(run -> {
        Thread thread = new Thread(run, "test-server");
        thread.setDaemon(true);
        return thread;
    });
    private final Map<String, Handler> handlers = new ConcurrentHashMap<>();
    private final List<Request> requests = new CopyOnWriteArrayList<>();

    /** Answers. */
    public interface Handler {
        void handle(Exchange exchange) throws IOException;
    }

    /** A request, as far as tests look at it. */
    public record Request(
            String method,
            String path,
            @Nullable String range,
            @Nullable String ifRange,
            @Nullable String authorization) {}

    public TestServer() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setExecutor(threads);
        server.createContext("/", this::handle);
        server.start();
    }

    private void handle(HttpExchange http) throws IOException {
        try (Exchange exchange = new Exchange(http)) {
            String query = http.getRequestURI().getRawQuery();
            String path = http.getRequestURI().getRawPath();
            requests.add(new Request(
                    http.getRequestMethod(),
                    query == null ? path : path + "?" + query,
                    http.getRequestHeaders().getFirst("Range"),
                    http.getRequestHeaders().getFirst("If-Range"),
                    http.getRequestHeaders().getFirst("Authorization")));
            Handler handler = handlers.get(path);
            if (handler == null) {
                exchange.fail(404, Map.of());
            } else {
                handler.handle(exchange);
            }
        }
    }

    /** One request and its answer. */
    public static final class Exchange implements Closeable {
        private final HttpExchange http;

        Exchange(HttpExchange http) {
            this.http = http;
            // Else the connection ends with the exchange.
            http.getRequestBody();
        }

        public @Nullable String header(String name) {
            return http.getRequestHeaders().getFirst(name);
        }

        public @Nullable String query() {
            return http.getRequestURI().getRawQuery();
        }

        public void set(String name, String value) {
            http.getResponseHeaders().set(name, value);
        }

        /** An answer without content. */
        public void fail(int status, Map<String, String> headers) throws IOException {
            headers.forEach(this::set);
            http.sendResponseHeaders(status, -1);
        }

        public void text(String text) throws IOException {
            send(200, text.getBytes(StandardCharsets.UTF_8), Integer.MAX_VALUE);
        }

        /** All of {@code body} is promised, and {@code most} bytes of it come before the connection ends. */
        public void send(int status, byte[] body, int most) throws IOException {
            http.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
            http.getResponseBody().write(body, 0, Math.min(most, body.length));
            http.getResponseBody().flush();
        }

        /** As a server does that knows ranges: 206, 416, and all where If-Range names another. */
        public void file(byte[] body, @Nullable String etag, int most) throws IOException {
            if (etag != null) {
                set("ETag", etag);
            }
            set("Accept-Ranges", "bytes");
            String range = header("Range");
            String only = header("If-Range");
            if (range == null || only != null && !only.equals(etag)) {
                send(200, body, most);
                return;
            }
            String[] bounds = range.substring("bytes=".length()).split("-", 2);
            int begin = Integer.parseInt(bounds[0]);
            int end = bounds[1].isEmpty() ? body.length : Math.min(body.length, Integer.parseInt(bounds[1]) + 1);
            if (begin >= body.length) {
                fail(416, Map.of("Content-Range", "bytes */" + body.length));
                return;
            }
            set("Content-Range", "bytes %d-%d/%d".formatted(begin, end - 1, body.length));
            send(206, java.util.Arrays.copyOfRange(body, begin, end), most);
        }

        @Override
        public void close() {
            http.close();
        }
    }

    public TestServer on(String path, Handler handler) {
        handlers.put(path, handler);
        return this;
    }

    /** Serves a file. */
    public TestServer file(String path, byte[] body, String etag) {
        return on(path, exchange -> exchange.file(body, etag, Integer.MAX_VALUE));
    }

    public int port() {
        return server.getAddress().getPort();
    }

    /** The url of a path, by the name localhost or the address. */
    public String url(String path) {
        return "http://127.0.0.1:" + port() + path;
    }

    public List<Request> requests() {
        return requests;
    }

    /** The requests so far, which are then forgotten. */
    public List<Request> take() {
        List<Request> taken = List.copyOf(requests);
        requests.clear();
        return taken;
    }

    @Override
    public void close() {
        server.stop(0);
        threads.shutdownNow();
    }
}
