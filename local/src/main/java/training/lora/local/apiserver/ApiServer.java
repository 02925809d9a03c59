package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.BiFunction;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The embedded API server: HTTPS on 127.0.0.1 with a certificate and an administrator's token of its own, all objects in
 * memory. For the demo and for tests; there is no authorization.
 */
public final class ApiServer implements AutoCloseable {
    static {
        // Read when the server's classes are loaded; without it each answer waits 40 ms for an acknowledgement.
        System.setProperty("sun.net.httpserver.nodelay", "true");
    }

    private static final Logger LOG = LoggerFactory.getLogger(ApiServer.class);

    private final HttpsServer https;
    private final ExecutorService threads;
    private final Path kubeconfig;
    private final Router router;
    private final Tokens tokens;
    private volatile boolean closed;

    private ApiServer(Path dir, BiFunction<String, String, @Nullable Path> podLogs) throws IOException {
        Store store = new Store();
        Registry registry = new Registry();
        tokens = new Tokens(store);
        ObjectWriter writer = new ObjectWriter(store, registry);
        router = new Router(
                registry,
                store,
                tokens,
                new ResourceHandler(
                        store, writer, new Deletions(store, registry), new WatchHandler(store, () -> closed)),
                new LogHandler(store, podLogs, () -> closed));
        seed(registry, writer);
        Certificate certificate = Certificate.create();
        threads = Executors.newCachedThreadPool(r -> {
            Thread thread = new Thread(r, "apiserver");
            thread.setDaemon(true);
            return thread;
        });
        https = HttpsServer.create(new InetSocketAddress(InetAddress.getByAddress(new byte[] {127, 0, 0, 1}), 0), 0);
        https.setHttpsConfigurator(new HttpsConfigurator(certificate.context()));
        https.setExecutor(threads);
        https.createContext("/", this::serve);
        kubeconfig = writeKubeconfig(dir, certificate.pem());
    }

    /**
     * Starts on any port that is free; when this returns, requests are answered.
     *
     * @param dir where {@code kubeconfig} (mode 0600) is written; made if it is not there
     * @param podLogs the file that the output of a pod, by namespace and name, goes to; null if it has none (yet)
     */
    public static ApiServer start(Path dir, BiFunction<String, String, @Nullable Path> podLogs) throws IOException {
        ApiServer server = new ApiServer(dir, podLogs);
        server.https.start();
        LOG.info("API server at {}, kubeconfig {}", server.url(), server.kubeconfig);
        return server;
    }

    /** {@code https://127.0.0.1:PORT}. */
    public String url() {
        return "https://127.0.0.1:" + https.getAddress().getPort();
    }

    /** The file that a KUBECONFIG variable may name. */
    public Path kubeconfig() {
        return kubeconfig;
    }

    @Override
    public void close() {
        closed = true;
        https.stop(0);
        threads.shutdownNow();
    }

    private static void seed(Registry registry, ObjectWriter writer) {
        Resource namespaces = registry.find("", "v1", "namespaces");
        Resource accounts = registry.find("", "v1", "serviceaccounts");
        for (String name : List.of("default", "kube-system")) {
            create(writer, namespaces, new Store.Key("namespaces", "", name));
            create(writer, accounts, new Store.Key("serviceaccounts", name, "default"));
        }
    }

    private static void create(ObjectWriter writer, Resource resource, Store.Key key) {
        ObjectNode object = JsonNodeFactory.instance
                .objectNode()
                .put("apiVersion", resource.apiVersion())
                .put("kind", resource.kind());
        object.putObject("metadata").put("name", key.name());
        writer.create(resource, key, object);
    }

    private Path writeKubeconfig(Path dir, String authorityPem) throws IOException {
        String config = """
                apiVersion: v1
                kind: Config
                clusters:
                - name: lora-local
                  cluster: {server: "%s", certificate-authority-data: %s}
                users:
                - name: admin
                  user: {token: %s}
                contexts:
                - name: lora-local
                  context: {cluster: lora-local, user: admin, namespace: default}
                current-context: lora-local
                """.formatted(
                        url(),
                        Base64.getEncoder().encodeToString(authorityPem.getBytes(StandardCharsets.UTF_8)),
                        tokens.administrator());
        Path file = Files.createDirectories(dir).resolve("kubeconfig");
        Files.deleteIfExists(file);
        Files.createFile(file, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        return Files.writeString(file, config);
    }

    private void serve(HttpExchange exchange) throws IOException {
        try (exchange) {
            Request request = Request.of(exchange);
            try {
                tokens.authenticate(request.header("Authorization"));
                Response response = router.route(request);
                if (response != null) {
                    send(exchange, response);
                }
            } catch (ApiException e) {
                send(exchange, new Response(e.code(), e.toStatus()));
            }
        } catch (IOException e) {
            // A client that leaves a watch or a followed log is the usual end of it.
            LOG.debug("{} {}: {}", exchange.getRequestMethod(), exchange.getRequestURI(), e.getMessage());
        } catch (RuntimeException e) {
            LOG.error("{} {} failed", exchange.getRequestMethod(), exchange.getRequestURI(), e);
        }
    }

    private static void send(HttpExchange exchange, Response response) throws IOException {
        if (response.body() == null) {
            exchange.sendResponseHeaders(response.code(), -1);
            return;
        }
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        byte[] bytes = Request.JSON.writeValueAsBytes(response.body());
        exchange.sendResponseHeaders(response.code(), bytes.length);
        exchange.getResponseBody().write(bytes);
    }
}
