package training.lora.trainer.prepare.caption;

import com.fasterxml.jackson.databind.JsonNode;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import training.lora.api.Json;
import training.lora.trainer.OpenCvLibrary;
import training.lora.trainer.http.AddressGuard;
import training.lora.trainer.http.Http;

/** An API of chat completions that answers what a test says. */
abstract class ChatServer {
    static final int ATTEMPTS = 4;

    /** @param retryAfter null for no such header */
    record Reply(int status, String body, @Nullable String retryAfter) {}

    final Deque<Reply> replies = new ArrayDeque<>();
    final List<JsonNode> questions = new ArrayList<>();
    final List<String> keys = new ArrayList<>();
    final List<Duration> pauses = new ArrayList<>();
    private final CountDownLatch over = new CountDownLatch(1);
    final Http http = new Http(name -> null, AddressGuard.of(name -> null), () -> false);
    /** Long, since what is not about silence must not fail on a machine that is busy. */
    Duration patience = Duration.ofSeconds(30);

    HttpServer server;

    @BeforeAll
    static void natives() {
        OpenCvLibrary.load();
    }

    @BeforeEach
    void start() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setExecutor(Executors.newCachedThreadPool(task -> {
            Thread thread = new Thread(task);
            thread.setDaemon(true);
            return thread;
        }));
        server.createContext("/v1/chat/completions", exchange -> {
            byte[] asked = exchange.getRequestBody().readAllBytes();
            Reply reply;
            synchronized (questions) {
                questions.add(Json.MAPPER.readTree(asked));
                keys.add(exchange.getRequestHeaders().getFirst("Authorization"));
                reply = replies.size() > 1 ? replies.remove() : replies.element();
            }
            if (reply.status() == 0) {
                await();
                return;
            }
            if (reply.retryAfter() != null) {
                exchange.getResponseHeaders().set("Retry-After", reply.retryAfter());
            }
            byte[] body = reply.body().getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(reply.status(), body.length == 0 ? -1 : body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        server.start();
    }

    private void await() {
        try {
            over.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @AfterEach
    void stop() throws IOException {
        over.countDown();
        server.stop(0);
        http.close();
    }

    void answers(int status, String body) {
        replies.add(new Reply(status, body, null));
    }

    void says(String text) {
        answers(
                200,
                Json.MAPPER
                        .valueToTree(Map.of(
                                "choices", List.of(Map.of("message", Map.of("content", text))),
                                "usage", Map.of("prompt_tokens", 100, "completion_tokens", 7)))
                        .toString());
    }

    String url() {
        return "http://127.0.0.1:%d/v1".formatted(server.getAddress().getPort());
    }

    ChatApi api(@Nullable String key) {
        return new ChatApi(
                ChatApiSettingsBuilder.builder()
                        .field("spec.preparation.captions.api")
                        .base(URI.create(url()))
                        .model("seer")
                        .patience(patience)
                        .attempts(ATTEMPTS)
                        .key(key)
                        .build(),
                http,
                pauses::add);
    }

    void completes(String choice) {
        answers(200, "{\"choices\": [%s]}".formatted(choice));
    }
}
