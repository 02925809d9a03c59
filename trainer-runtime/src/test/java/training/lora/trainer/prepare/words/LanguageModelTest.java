package training.lora.trainer.prepare.words;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

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
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.ConceptMode;
import training.lora.api.Json;
import training.lora.api.LanguageSpec;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.http.AddressGuard;
import training.lora.trainer.http.Http;
import training.lora.trainer.prepare.caption.ChatApi;
import training.lora.trainer.prepare.caption.ChatApiSettingsBuilder;

/** What a language model may answer about captions, and what becomes of it. */
class LanguageModelTest {
    private static final Subject ROBOT = new Subject("TOK", ConceptMode.Object, "TOK", "robot");

    private final List<JsonNode> questions = Collections.synchronizedList(new ArrayList<>());
    private final Deque<Function<JsonNode, String>> answers = new ArrayDeque<>();
    private final Map<String, String> known = new ConcurrentHashMap<>();
    private final AtomicInteger now = new AtomicInteger();
    private final AtomicInteger most = new AtomicInteger();
    private final ExecutorService workers = Executors.newFixedThreadPool(16);
    private HttpServer server;
    private LanguageModel model;
    private int status = 200;

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

    private LanguageModel model(String spec) throws IOException {
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
            }
        });
    }

    private static String completion(String text) {
        return Json.MAPPER
                .valueToTree(Map.of(
                        "choices", List.of(Map.of("message", Map.of("content", text))),
                        "usage", Map.of("prompt_tokens", 100, "completion_tokens", 7)))
                .toString();
    }

    private void says(String text) {
        answers.add(asked -> text);
    }

    /** The captions that a question asks for. */
    private static ArrayNode asked(JsonNode question) {
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
    private void rewrites(java.util.function.Consumer<ArrayNode> then) {
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

    private static List<String> robots(int count) {
        return IntStream.range(0, count)
                .mapToObj(i -> "a robot on table %d".formatted(i))
                .toList();
    }

    private static Reason reason(Throwable failure) {
        return ((TrainerException) failure).reason();
    }

    private static String text(JsonNode question) {
        return question.at("/messages/1/content").asText();
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 20, 21, 1000})
    void anyNumberOfCaptionsIsRewrittenInBatches(int count) throws IOException {
        rewrites(captions -> {});

        LanguageModel.Cleaned cleaned = model.clean(ROBOT, "a red robot", robots(count));

        assertThat(cleaned.texts()).hasSize(count);
        robots(count).forEach(text -> assertThat(cleaned.texts()).containsEntry(text, text.replace("a robot", "TOK")));
        assertThat(questions).hasSize((count + 19) / 20);
        assertThat(questions)
                .allSatisfy(question -> assertThat(asked(question).size()).isBetween(1, 20));
        assertThat(most.get()).isBetween(1, 4);
        assertThat(text(questions.get(0)))
                .contains("What is known of it: a red robot")
                .contains("write TOK once");
        assertThat(questions.get(0).at("/response_format/json_schema/schema/properties/captions/items/required"))
                .hasToString("[\"id\",\"caption\"]");
        ChatApi.Cost cost = java.util.Objects.requireNonNull(model.cost());
        assertThat(cost.calls()).isEqualTo(questions.size());
        assertThat(cost.tokensIn()).isEqualTo(100L * questions.size());
        assertThat(cost.tokensOut()).isEqualTo(7L * questions.size());
    }

    @Test
    void longCaptionsGoFewerAtATime() throws IOException {
        rewrites(captions -> captions.forEach(caption -> ((ObjectNode) caption).put("caption", "TOK stands")));
        List<String> captions = IntStream.range(0, 9)
                .mapToObj(i -> "a robot " + i + " word".repeat(600))
                .toList();

        assertThat(model.clean(ROBOT, null, captions).texts()).hasSize(9).containsValue("TOK stands");

        assertThat(questions).hasSize(3);
        assertThat(questions).allSatisfy(question -> assertThat(text(question)).hasSizeLessThan(8000));
    }

    @Test
    void whatWasAnsweredIsNotAskedAgainAndANewCaptionIsAskedAlone() throws IOException {
        rewrites(captions -> {});
        model.clean(ROBOT, "a red robot", robots(30));
        questions.clear();

        assertThat(model.clean(ROBOT, "a robot of tin", robots(30)).texts()).hasSize(30);
        assertThat(questions).isEmpty();

        assertThat(model.clean(ROBOT, "a robot of tin", robots(31)).texts())
                .containsEntry("a robot on table 30", "TOK on table 30");
        assertThat(questions).hasSize(1);
        assertThat(asked(questions.get(0))).hasSize(1);

        // Another trigger, model or length are other captions.
        model.clean(new Subject("zorb", ConceptMode.Style, "zorb", null), null, robots(1));
        model = model("{model: m, maxWords: 9}");
        model.clean(ROBOT, null, robots(1));
        model = model("{model: other}");
        model.clean(ROBOT, null, robots(1));
        assertThat(questions).hasSize(4);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "a missing id; was missing, or there twice",
                "an id twice; was missing, or there twice",
                "an empty caption; was empty",
                "no trigger; must say TOK once, but said it 0 times",
                "the trigger twice; must say TOK once, but said it 2 times",
                "brackets; had brackets",
                "many words; had more than 20 words"
            })
    void whatIsRightInAnAnswerStaysAndTheRestIsAskedAgainSayingWhatWasWrong(String what, String problem)
            throws IOException {
        rewrites(captions -> spoil(what, captions));
        rewrites(captions -> {});

        assertThat(model.clean(ROBOT, null, robots(3)).texts())
                .containsOnly(
                        Map.entry("a robot on table 0", "TOK on table 0"),
                        Map.entry("a robot on table 1", "TOK on table 1"),
                        Map.entry("a robot on table 2", "TOK on table 2"));

        assertThat(questions).hasSize(2);
        assertThat(text(questions.get(1))).endsWith("Your last answer could not be used: caption 2 " + problem + ".");
        assertThat(asked(questions.get(1)))
                .singleElement()
                .hasToString("{\"id\":2,\"caption\":\"a robot on table 1\"}");
    }

    private static void spoil(String what, ArrayNode captions) {
        ObjectNode second = (ObjectNode) captions.get(1);
        switch (what) {
            case "a missing id" -> captions.remove(1);
            case "an id twice" -> captions.add(second.deepCopy());
            case "an empty caption" -> second.put("caption", " ");
            case "no trigger" -> second.put("caption", "a tokyo robot");
            case "the trigger twice" -> second.put("caption", "TOK by tok");
            case "brackets" -> second.put("caption", "TOK <lora:x>");
            default -> second.put("caption", "TOK" + " on".repeat(40));
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"captions\": [{\"id\": 1, \"caption\": \"tok on a table.\"}]}",
                "```json\n{\"captions\": [{\"id\": 1, \"caption\": \"TOK on a table\"}]}\n```",
                "Here they are:\n```\n[{\"id\": \"1\", \"caption\": \"TOK  on a \\n table\"}]\n```\nDone.",
                "Sure! {\"captions\": [{\"id\": 1, \"caption\": \"TOK on a table\"}]}",
                "{\"captions\": [{\"id\": 1, \"caption\": \"TOK on a table\"}, {\"id\": 7, \"caption\": \"TOK\"}]}"
            })
    void jsonIsFoundInWhatModelsPutAroundIt(String answer) throws IOException {
        says(answer);

        assertThat(model.clean(ROBOT, null, robots(1)).texts())
                .containsOnly(Map.entry("a robot on table 0", "TOK on a table"));
        assertThat(questions).hasSize(1);
    }

    @ParameterizedTest
    @ValueSource(strings = {"no JSON", "{}", "{\"captions\": 7}", "null", "{\"captions\": [{\"id\": 1"})
    void rubbishAndThenARightAnswerIsARightAnswer(String rubbish) throws IOException {
        says(rubbish);
        rewrites(captions -> {});

        assertThat(model.clean(ROBOT, null, robots(2)).texts()).hasSize(2);

        assertThat(questions).hasSize(2);
        assertThat(text(questions.get(1))).contains("it was no JSON of that form");
    }

    @Test
    void rubbishForEverIsToldOnceTheFirstBatchHasNothingElse() throws IOException {
        model = model("{model: m, concurrency: 1}");
        says("I can't do that");

        assertThatThrownBy(() -> model.clean(ROBOT, null, robots(1000)))
                .satisfies(e -> assertThat(reason(e)).isEqualTo(Reason.InvalidData))
                .hasMessage(
                        "`spec.preparation.captions.language` m must rewrite captions as it is asked, but of 1000 captions of TOK it gave 0 that can be used: it was no JSON of that form");
        // Three times for the first batch; the next may have begun by then.
        assertThat(questions).hasSizeBetween(3, 4);
    }

    @Test
    void aCaptionThatIsNeverAnsweredRightlyIsLeftOpenAndSaid() throws IOException {
        rewrites(captions -> captions.removeIf(c -> c.path("caption").asText().endsWith("table 1")));

        LanguageModel.Cleaned cleaned = model.clean(ROBOT, null, robots(3));

        assertThat(cleaned.texts()).containsOnlyKeys("a robot on table 0", "a robot on table 2");
        assertThat(cleaned.problem()).isEqualTo("caption 2 was missing, or there twice");
        assertThat(questions).hasSize(3);

        // A later preparation asks for it alone, and is not ended by it.
        LanguageModel.Cleaned again = model.clean(ROBOT, null, robots(3));
        assertThat(again.texts()).isEqualTo(cleaned.texts());
        assertThat(again.problem()).isEqualTo("caption 1 was missing, or there twice");
        assertThat(questions).hasSize(6);
        assertThat(asked(questions.get(5))).hasSize(1);
    }

    @Test
    void lessThanHalfOfAllIsTooLittle() throws IOException {
        rewrites(captions -> captions.removeIf(c -> !c.path("caption").asText().endsWith("table 1")));

        assertThatThrownBy(() -> model.clean(ROBOT, null, robots(3)))
                .satisfies(e -> assertThat(reason(e)).isEqualTo(Reason.InvalidData))
                .hasMessageContaining("but of 3 captions of TOK it gave 1 that can be used: caption 1 was missing");
    }

    @Test
    void ofABatchThatIsRefusedAllAreRewrittenButTheOneThatIsTheCause() throws IOException {
        answers.add(question -> {
            boolean bad = text(question).contains("table 2");
            ObjectNode root = Json.MAPPER.createObjectNode();
            ArrayNode captions = root.putArray("captions");
            asked(question).forEach(item -> captions.addObject().setAll((ObjectNode) item.deepCopy()));
            captions.forEach(c -> ((ObjectNode) c).put("caption", "TOK"));
            return bad ? "" : root.toString();
        });
        server.removeContext("/v1/chat/completions");
        server.createContext("/v1/chat/completions", exchange -> {
            JsonNode asked = Json.MAPPER.readTree(exchange.getRequestBody().readAllBytes());
            questions.add(asked);
            String said = answers.element().apply(asked);
            String body = said.isEmpty()
                    ? "{\"choices\": [{\"finish_reason\": \"content_filter\", \"message\": {}}]}"
                    : completion(said);
            byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(200, bytes.length);
            exchange.getResponseBody().write(bytes);
            exchange.close();
        });

        LanguageModel.Cleaned cleaned = model.clean(ROBOT, null, robots(8));

        assertThat(cleaned.texts()).hasSize(7).doesNotContainKey("a robot on table 2");
        assertThat(cleaned.problem()).isEqualTo("it was stopped by the server's filter of content");
        // All, halves, quarters, single ones.
        assertThat(questions).hasSize(7);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "401; InvalidConfiguration; must have a key that the server accepts; 1",
                "429; SourceUnreachable; must answer, but in 3 attempts it did not; 3",
                "500; SourceUnreachable; must answer, but in 3 attempts it did not; 3"
            })
    void troubleWithTheApiIsOneSentenceWithItsField(int code, Reason reason, String sentence, int calls) {
        status = code;
        says("");

        assertThatThrownBy(() -> model.clean(ROBOT, null, robots(1)))
                .satisfies(e -> assertThat(reason(e)).isEqualTo(reason))
                .hasMessageContaining("`spec.preparation.captions.language`")
                .hasMessageContaining(sentence);
        assertThat(questions).hasSize(calls);
    }

    @Test
    void nothingAtAllIsUnreachable() {
        says("");

        assertThatThrownBy(() -> model.clean(ROBOT, null, robots(1)))
                .satisfies(e -> assertThat(reason(e)).isEqualTo(Reason.SourceUnreachable))
                .hasMessageContaining("its answer was no chat completion");
    }

    @Test
    void aServerWithoutStructuredOutputIsAskedWithoutItByAllThreads() throws IOException {
        // All threads have asked before the first is told.
        CountDownLatch four = new CountDownLatch(4);
        rewrites(captions -> {});
        Function<JsonNode, String> right = answers.element();
        server.removeContext("/v1/chat/completions");
        server.createContext("/v1/chat/completions", exchange -> {
            JsonNode asked = Json.MAPPER.readTree(exchange.getRequestBody().readAllBytes());
            questions.add(asked);
            boolean refused = asked.has("response_format");
            if (refused) {
                four.countDown();
                await(four);
            }
            byte[] body = (refused
                            ? "{\"error\": {\"message\": \"response_format is not supported\"}}"
                            : completion(right.apply(asked)))
                    .getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(refused ? 400 : 200, body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });

        assertThat(model.clean(ROBOT, null, robots(80)).texts()).hasSize(80);
        assertThat(questions).hasSize(8);
    }

    private static void await(CountDownLatch latch) {
        try {
            assertThat(latch.await(30, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Test
    void aStyleIsLeftOutAndItsTriggerNotAskedFor() throws IOException {
        says("{\"captions\": [{\"id\": 1, \"caption\": \"a cat in the style of zorb\"}]}");
        says("{\"captions\": [{\"id\": 1, \"caption\": \"a cat\"}]}");

        Subject style = new Subject("zorb", ConceptMode.Style, "zorb", "line drawing");
        assertThat(model.clean(style, null, List.of("a line drawing of a cat")).texts())
                .containsValue("a cat");

        assertThat(text(questions.get(0)))
                .contains("Leave out every word for style")
                .contains("and the word zorb");
        assertThat(text(questions.get(1))).contains("caption 1 must not say zorb");
    }

    @Test
    void aConceptIsDescribedByCaptionsFromAllOverInOneCallThatIsKept() throws IOException {
        says("{\"description\": \"a red robot\\n of tin\"}");

        assertThat(model.description(ROBOT, robots(1000))).isEqualTo("a red robot of tin");
        assertThat(model.description(ROBOT, robots(1000))).isEqualTo("a red robot of tin");

        assertThat(questions).hasSize(1);
        assertThat(text(questions.get(0)))
                .contains("the same thing, of the kind \"robot\"")
                .contains("\"a robot on table 0\"")
                .contains("\"a robot on table 983\"")
                .hasSizeLessThan(8000);
    }

    @Test
    void aDescriptionThatIsNeverOneIsNone() throws IOException {
        says("{\"description\": \"%s\"}".formatted("very ".repeat(50)));

        assertThat(model.description(ROBOT, robots(2))).isNull();
        assertThat(questions).hasSize(3);
        assertThat(text(questions.get(2))).contains("it had more than 40 words");
    }

    @Test
    void masksAreToldAFewWordsOrThatThereAreNone() throws IOException {
        says("{\"prompt\": \"a very long phrase for a red toy robot\"}");
        says("{\"prompt\": \"red toy robot\"}");
        assertThat(model.segmentation(ROBOT, robots(3))).isEqualTo("red toy robot");
        assertThat(questions).hasSize(2);

        answers.clear();
        says("{\"prompt\": \"\"}");
        assertThatThrownBy(() -> model.segmentation(ROBOT, robots(4)))
                .satisfies(e -> assertThat(reason(e)).isEqualTo(Reason.InvalidData))
                .hasMessage(
                        "`spec.preparation.captions.language` m must say what masks of TOK are to find, but it gave no answer that could be used (prompt was missing or empty); `spec.preparation.mask.prompts` may say it");
    }

    @Test
    void aTriggerIsAWordThatMeansNothingYet() throws IOException {
        says("{\"trigger\": \"TOK\"}");
        says("{\"trigger\": \"robot\"}");
        says("{\"trigger\": \"zorbek\"}");
        Subject robot = new Subject("TOK", ConceptMode.Object, "TOK", null);

        assertThat(model.trigger(robot, robots(3), word -> false)).isEqualTo("zorbek");
        assertThat(model.trigger(robot, robots(3), word -> false)).isEqualTo("zorbek");
        assertThat(questions).hasSize(3);
        assertThat(text(questions.get(1))).contains("it must be one word of 4 to 12 letters from a to z, was \"TOK\"");
        assertThat(text(questions.get(2))).contains("robot means something already");

        assertThat(model.trigger(robot, robots(4), "zorbek"::equals)).isNull();
        assertThat(questions).hasSize(6);
    }
}
