package training.lora.local.apiserver;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
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
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
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
    private final Deletions deletions;
    private final Router router;
    private final Tokens tokens;
    private volatile boolean closed;

    private ApiServer(ApiServerConfig config) throws IOException {
        Store store = new Store();
        Registry registry = new Registry();
        tokens = new Tokens(store);
        deletions = new Deletions(store, registry);
        ObjectWriter writer = new ObjectWriter(store, registry);
        router = new Router(
                registry,
                store,
                tokens,
                new ResourceHandler(store, writer, deletions, new WatchHandler(store, () -> closed)),
                new LogHandler(store, config.podLogs(), () -> closed));
        seed(registry, writer);
        Certificates certificates = Certificates.create();
        threads = Executors.newCachedThreadPool(r -> {
            Thread thread = new Thread(r, "apiserver");
            thread.setDaemon(true);
            return thread;
        });
        https = HttpsServer.create(
                new InetSocketAddress(InetAddress.getByAddress(new byte[] {127, 0, 0, 1}), config.port()), 0);
        https.setHttpsConfigurator(new HttpsConfigurator(certificates.context()));
        https.setExecutor(threads);
        https.createContext("/", this::serve);
        kubeconfig = writeKubeconfig(config.dir(), certificates.authorityPem());
    }

    /** Starts; when this returns, requests are answered. */
    public static ApiServer start(ApiServerConfig config) throws IOException {
        ApiServer server = new ApiServer(config);
        server.https.start();
        server.deletions.start();
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
        deletions.close();
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
        writer.write(
                resource,
                key,
                null,
                object,
                new ObjectWriter.Options("apiserver", "Ignore", false, false, null, new ArrayList<>()));
    }

    private Path writeKubeconfig(Path dir, String authorityPem) throws IOException {
        Files.createDirectories(dir);
        Files.writeString(dir.resolve("ca.crt"), authorityPem);
        ObjectNode config =
                JsonNodeFactory.instance.objectNode().put("apiVersion", "v1").put("kind", "Config");
        config.putArray("clusters")
                .addObject()
                .put("name", "lora-local")
                .putObject("cluster")
                .put("server", url())
                .put(
                        "certificate-authority-data",
                        Base64.getEncoder().encodeToString(authorityPem.getBytes(StandardCharsets.UTF_8)));
        config.putArray("users")
                .addObject()
                .put("name", "admin")
                .putObject("user")
                .put("token", tokens.administrator());
        config.putArray("contexts")
                .addObject()
                .put("name", "lora-local")
                .putObject("context")
                .put("cluster", "lora-local")
                .put("user", "admin")
                .put("namespace", "default");
        config.put("current-context", "lora-local");
        Path file = dir.resolve("kubeconfig");
        Files.deleteIfExists(file);
        Files.createFile(file, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        return Files.write(file, YAMLMapper.builder().build().writeValueAsBytes(config));
    }

    private void serve(HttpExchange exchange) throws IOException {
        try (exchange) {
            Request request = Request.of(exchange);
            try {
                Response response = router.route(request, tokens.authenticate(request.header("Authorization")));
                if (response != null) {
                    send(exchange, response);
                }
            } catch (ApiException e) {
                send(exchange, new Response(e.code(), e.toStatus(), List.of()));
            }
        } catch (IOException e) {
            // A client that leaves a watch or a followed log is the usual end of it.
            LOG.debug("{} {}: {}", exchange.getRequestMethod(), exchange.getRequestURI(), e.getMessage());
        } catch (RuntimeException e) {
            LOG.error("{} {} failed", exchange.getRequestMethod(), exchange.getRequestURI(), e);
        }
    }

    private static void send(HttpExchange exchange, Response response) throws IOException {
        for (String warning : response.warnings()) {
            exchange.getResponseHeaders().add("Warning", "299 - \"" + warning.replace("\"", "\\\"") + "\"");
        }
        if (response.body() == null) {
            exchange.sendResponseHeaders(response.code(), -1);
            return;
        }
        boolean plain = response.body().isTextual();
        exchange.getResponseHeaders().set("Content-Type", plain ? "text/plain" : "application/json");
        byte[] bytes = plain
                ? response.body().asText().getBytes(StandardCharsets.UTF_8)
                : Request.JSON.writeValueAsBytes(response.body());
        exchange.sendResponseHeaders(response.code(), bytes.length);
        exchange.getResponseBody().write(bytes);
    }
}
