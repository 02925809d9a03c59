package training.lora.trainer.prepare.words;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import training.lora.api.ConceptMode;
import training.lora.api.Json;
import training.lora.api.LanguageSpec;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.http.AddressGuard;
import training.lora.trainer.http.Http;
import training.lora.trainer.prepare.caption.ChatApi;
import training.lora.trainer.prepare.caption.ChatApiSettingsBuilder;

/** A language model behind a server of this process, which answers what a test says. */
abstract class LanguageServer {
    static final Subject ROBOT = new Subject("TOK", ConceptMode.Object, "TOK", "robot");

    final List<JsonNode> questions = Collections.synchronizedList(new ArrayList<>());
    final Deque<Function<JsonNode, String>> answers = new ArrayDeque<>();
    final Map<String, String> known = new ConcurrentHashMap<>();
    final AtomicInteger now = new AtomicInteger();
    final AtomicInteger most = new AtomicInteger();
    final ExecutorService workers = Executors.newFixedThreadPool(16);
    HttpServer server;
    LanguageModel model;
    /** Counts what is kept. */
    CountDownLatch kept = new CountDownLatch(0);

    int status = 200;

    @BeforeEach
    void start() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setExecutor(workers);
        server.createContext("/v1/chat/completions", exchange -> {
            most.accumulateAndGet(now.incrementAndGet(), Math::max);
            JsonNode asked = Json.MAPPER.readTree(exchange.getRequestBody().readAllBytes());
            Function<JsonNode, String> answer;
            synchronized (answers) {
                questions.add(asked);
                answer = answers.size() > 1 ? answers.remove() : answers.element();
            }
            String said = answer.apply(asked);
            byte[] body = (status == 200 ? completion(said) : said).getBytes(StandardCharsets.UTF_8);
            now.decrementAndGet();
            exchange.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        server.start();
        model = model("{model: m}");
    }

    @AfterEach
    void stop() throws IOException {
        model.close();
        server.stop(0);
        workers.shutdownNow();
    }

    LanguageModel model(String spec) throws IOException {
        ChatApi chat = new ChatApi(
                ChatApiSettingsBuilder.builder()
                        .field("spec.preparation.captions.language")
                        .base(URI.create("http://127.0.0.1:%d/v1"
                                .formatted(server.getAddress().getPort())))
                        .model("m")
                        .patience(Duration.ofSeconds(30))
                        .attempts(3)
                        .key("k")
                        .build(),
                new Http(name -> null, AddressGuard.of(name -> null), () -> false),
                time -> {});
        Http http = new Http(name -> null, AddressGuard.of(name -> null), () -> false);
        return new LanguageModel(Json.STRICT_YAML.readValue(spec, LanguageSpec.class), chat, http, new Answered() {
            @Override
            public @Nullable String get(String key) {
                return known.get(key);
            }

            @Override
            public void put(String key, String answer) {
                known.put(key, answer);
                kept.countDown();
            }
        });
    }

    static String completion(String text) {
        return Json.MAPPER
                .valueToTree(Map.of(
                        "choices", List.of(Map.of("message", Map.of("content", text))),
                        "usage", Map.of("prompt_tokens", 100, "completion_tokens", 7)))
                .toString();
    }

    void says(String text) {
        answers.add(asked -> text);
    }

    /** The captions that a question asks for. */
    static ArrayNode asked(JsonNode question) {
        String text = question.at("/messages/1/content").asText();
        String begin = "Captions:\n";
        try {
            return (ArrayNode) Json.MAPPER.readTree(
                    text.substring(text.indexOf(begin) + begin.length(), text.indexOf("\nAnswer with JSON")));
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Answers as it should, and then does something to the answer. */
    void rewrites(java.util.function.Consumer<ArrayNode> then) {
        answers.add(question -> {
            ObjectNode root = Json.MAPPER.createObjectNode();
            ArrayNode captions = root.putArray("captions");
            asked(question).forEach(item -> captions.addObject()
                    .put("id", item.path("id").asInt())
                    .put("caption", item.path("caption").asText().replace("a robot", "TOK")));
            then.accept(captions);
            return root.toString();
        });
    }

    LanguageModel.Cleaned clean(Subject subject, @Nullable String description, List<String> captions)
            throws IOException {
        return model.clean(subject, description, pictures(captions), (done, all) -> {});
    }

    /** With a picture for each, by which it is named. */
    static Map<String, String> pictures(List<String> captions) {
        Map<String, String> pictures = new LinkedHashMap<>();
        captions.forEach(caption -> pictures.putIfAbsent(caption, "main/%d.png".formatted(pictures.size())));
        return pictures;
    }

    static List<String> robots(int count) {
        return IntStream.range(0, count)
                .mapToObj(i -> "a robot on table %d".formatted(i))
                .toList();
    }

    static Reason reason(Throwable failure) {
        return ((TrainerException) failure).reason();
    }

    static String text(JsonNode question) {
        return question.at("/messages/1/content").asText();
    }
}
