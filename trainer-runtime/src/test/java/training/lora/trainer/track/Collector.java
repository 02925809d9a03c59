package training.lora.trainer.track;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import training.lora.api.Json;

/** A service on the loopback interface that remembers what it was asked. */
public final class Collector implements AutoCloseable {
    /** What it was asked. */
    public record Asked(
            String method, String path, @Nullable String key, byte[] body) {
        public JsonNode json() throws IOException {
            return Json.MAPPER.readTree(body);
        }
    }

    private final HttpServer server;
    private final List<Asked> asked = new ArrayList<>();
    private final Deque<Integer> failures = new ArrayDeque<>();

    private Collector(HttpServer server) {
        this.server = server;
    }

    /** @param answers the body of the answer; null for 404 */
    static Collector start(Function<Asked, @Nullable String> answers) throws IOException {
        return start(0, answers);
    }

    static Collector start(int port, Function<Asked, @Nullable String> answers) throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 0);
        Collector collector = new Collector(server);
        server.createContext("/", exchange -> collector.handle(exchange, answers));
        server.start();
        return collector;
    }

    /** A server of MLflow that has one experiment, knows no other, and stores artifacts. */
    public static Collector mlflow(String artifacts) throws IOException {
        return start(asked -> {
            if (asked.path().contains("get-by-name")) {
                return asked.path().endsWith("=known") ? "{\"experiment\": {\"experiment_id\": \"3\"}}" : null;
            }
            if (asked.path().endsWith("experiments/create")) {
                return "{\"experiment_id\": \"4\"}";
            }
            return asked.path().endsWith("runs/create")
                    ? "{\"run\": {\"info\": {\"run_id\": \"r1\", \"artifact_uri\": \"%s\"}}}".formatted(artifacts)
                    : "{}";
        });
    }

    /** A server of Weights & Biases. */
    static Collector wandb() throws IOException {
        Collector[] self = new Collector[1];
        self[0] = start(asked -> {
            try {
                if (asked.path().equals("/graphql")
                        && asked.json().path("query").asText().contains("createRunFiles")) {
                    return uploads(asked, self[0].uri());
                }
                return asked.path().equals("/graphql")
                        ? """
                        {"data": {"upsertBucket": {"bucket": {"id": "x", "name": "%s",
                         "project": {"name": "things", "entity": {"name": "me"}}}}}}""".formatted(asked.json().at("/variables/name").asText())
                        : "{}";
            } catch (IOException e) {
                throw new IllegalStateException(e);
            }
        });
        return self[0];
    }

    /** Places for files on another server's name. */
    private static String uploads(Asked asked, String base) throws IOException {
        ObjectNode made = Json.MAPPER.createObjectNode();
        made.putArray("uploadHeaders").add("x-ms-blob-type: BlockBlob");
        ArrayNode files = made.putArray("files");
        for (JsonNode name : asked.json().at("/variables/files")) {
            files.addObject().put("name", name.asText()).put("uploadUrl", base + "/put/" + name.asText());
        }
        return "{\"data\": {\"createRunFiles\": %s}}".formatted(made);
    }

    private void handle(HttpExchange exchange, Function<Asked, @Nullable String> answers) throws IOException {
        Asked what = new Asked(
                exchange.getRequestMethod(),
                exchange.getRequestURI().toString(),
                exchange.getRequestHeaders().getFirst("Authorization"),
                exchange.getRequestBody().readAllBytes());
        int status;
        synchronized (asked) {
            asked.add(what);
            status = failures.isEmpty() ? 200 : failures.remove();
        }
        String answer = status == 200 ? answers.apply(what) : "{\"message\": \"no: " + what.key() + "\"}";
        byte[] body = (answer == null ? "{\"error_code\": \"RESOURCE_DOES_NOT_EXIST\"}" : answer)
                .getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(answer == null ? 404 : status, body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
    }

    /** The next answers have these statuses. */
    void failing(Integer... statuses) {
        synchronized (asked) {
            failures.addAll(List.of(statuses));
        }
    }

    public String uri() {
        return "http://127.0.0.1:" + server.getAddress().getPort();
    }

    /** What it was asked at paths that end so, beginning with the first. */
    public List<Asked> asked(String end) {
        synchronized (asked) {
            return asked.stream().filter(a -> a.path().endsWith(end)).toList();
        }
    }

    @Override
    public void close() {
        server.stop(0);
    }
}
