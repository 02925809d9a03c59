package training.lora.trainer.prepare.caption;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.entry;

import com.fasterxml.jackson.databind.JsonNode;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
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
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.CaptionsSpec;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.Goldens;
import training.lora.trainer.TrainerException;
import training.lora.trainer.http.AddressGuard;
import training.lora.trainer.http.Http;
import training.lora.trainer.prepare.picture.Item;
import training.lora.trainer.prepare.picture.ItemBuilder;

/** What an API may answer, and what becomes of it. */
class ChatApiTest {
    private static final int ATTEMPTS = 4;

    /** @param retryAfter null for no such header */
    private record Reply(int status, String body, @Nullable String retryAfter) {}

    private final Deque<Reply> replies = new ArrayDeque<>();
    private final List<JsonNode> questions = new ArrayList<>();
    private final List<String> keys = new ArrayList<>();
    private final List<Duration> pauses = new ArrayList<>();
    private final CountDownLatch over = new CountDownLatch(1);
    private final Http http = new Http(name -> null, AddressGuard.of(name -> null), () -> false);
    /** Long, since what is not about silence must not fail on a machine that is busy. */
    private Duration patience = Duration.ofSeconds(30);

    private HttpServer server;

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

    private void answers(int status, String body) {
        replies.add(new Reply(status, body, null));
    }

    private void says(String text) {
        answers(
                200,
                Json.MAPPER
                        .valueToTree(Map.of(
                                "choices", List.of(Map.of("message", Map.of("content", text))),
                                "usage", Map.of("prompt_tokens", 100, "completion_tokens", 7)))
                        .toString());
    }

    private String url() {
        return "http://127.0.0.1:%d/v1".formatted(server.getAddress().getPort());
    }

    private ChatApi api(@Nullable String key) {
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

    private static ChatApi.Question question() {
        return ChatApiQuestionBuilder.builder()
                .system("be")
                .text("what?")
                .pictures(List.of(new byte[] {1, 2, 3}))
                .tokens(9)
                .build();
    }

    private static Reason reason(Throwable failure) {
        return ((TrainerException) failure).reason();
    }

    @Test
    void aQuestionHasTheModelThePictureAndTheKeyAndItsTokensAreCounted() throws Exception {
        says("a cat");
        ChatApi api = api("secret");

        assertThat(api.ask(question())).isEqualTo("a cat");

        JsonNode asked = questions.get(0);
        assertThat(keys).containsExactly("Bearer secret");
        assertThat(asked.path("model").asText()).isEqualTo("seer");
        assertThat(asked.path("max_tokens").asInt()).isEqualTo(9);
        assertThat(asked.at("/messages/0/content").asText()).isEqualTo("be");
        assertThat(asked.at("/messages/1/content/0/text").asText()).isEqualTo("what?");
        assertThat(asked.at("/messages/1/content/1/image_url/url").asText()).isEqualTo("data:image/jpeg;base64,AQID");
        assertThat(api.cost().sentence()).isEqualTo("seer at 127.0.0.1 was asked 1 times: 100 tokens in, 7 out");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "401; must have a key that the server accepts",
                "403; must have a key that the server accepts",
                "404; must name a server of chat completions and one of its models (seer)",
                "400; must take what is asked, but it answered 400 Bad Request: no such thing",
                "302; must be where the API itself is, but the server redirects to"
            })
    void whatNoTryCanCureIsAskedOnceAndNamesTheField(int status, String sentence) {
        answers(status, "{\"error\": {\"message\": \"no such thing\"}}");

        assertThatThrownBy(() -> api("secret").ask(question()))
                .satisfies(e -> assertThat(reason(e)).isEqualTo(Reason.InvalidConfiguration))
                .hasMessageContaining("`spec.preparation.captions.api` " + url())
                .hasMessageContaining(sentence)
                .message()
                .doesNotContain("secret\"");
        assertThat(questions).hasSize(1);
    }

    private void completes(String choice) {
        answers(200, "{\"choices\": [%s]}".formatted(choice));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "{'message': {'refusal': 'I will not'}}; was declined by the model: I will not",
                "{'finish_reason': 'content_filter', 'message': {'content': ''}}; was stopped by the server's filter of content",
                "{'finish_reason': 'length', 'message': {'content': 'a bat that'}}; did not fit into maxTokens"
            })
    void aModelThatDeclinesIsAskedOnceAndTheOtherPicturesHaveTheirCaptions(String choice, String sentence)
            throws IOException {
        completes(choice.replace('\'', '"'));

        says("a robot");

        assertThatThrownBy(() -> captioner(1).captions(robots(2)))
                .isInstanceOfSatisfying(DeclinedPicturesException.class, e -> {
                    assertThat(e.captions()).containsExactly(null, "a robot");
                    assertThat(e.declined()).containsOnly(entry(0, sentence));
                });
        assertThat(questions).hasSize(2);
    }

    @Test
    void aSheetThatIsDeclinedIsAskedPictureByPicture() throws Exception {
        completes("{\"message\": {\"refusal\": \"no\"}}");
        says("one");
        says("two");

        assertThat(captioner(2).captions(robots(2))).containsExactly("one", "two");
    }

    @Test
    void newerModelsAreAskedInTheirWordsFromThenOn() throws Exception {
        answers(400, "{\"error\": {\"message\": \"Use 'max_completion_tokens' instead\"}}");
        answers(400, "{\"error\": {\"message\": \"'temperature' does not support 0\"}}");
        says("a cat");
        ChatApi api = api("k");

        assertThat(api.ask(question())).isEqualTo("a cat");
        assertThat(api.ask(question())).isEqualTo("a cat");

        assertThat(questions).hasSize(4);
        assertThat(questions.get(3).path("max_completion_tokens").asInt()).isEqualTo(9);
        assertThat(questions.get(3).has("max_tokens")).isFalse();
        assertThat(questions.get(3).has("temperature")).isFalse();
    }

    @ParameterizedTest
    @ValueSource(strings = {"<think>a dog? no.</think>\n\na cat", "a dog?</think>a cat", "a cat<think>or a dog"})
    void whatAModelThinksIsNoAnswer(String said) throws Exception {
        says(said);

        assertThat(captioner(1).captions(robots(1))).containsExactly("a cat");
    }

    @Test
    void aModelThatOnlyThinksDeclines() throws IOException {
        says("<think>a dog?");

        assertThatThrownBy(() -> captioner(1).captions(robots(1)))
                .hasMessageContaining("{0=was thought about, but not answered");
        assertThat(questions).hasSize(1);
    }

    @Test
    void aStopDuringTheLastAttemptIsTheStagesEnd() {
        answers(500, "");
        ChatApi api = new ChatApi(
                ChatApiSettingsBuilder.builder()
                        .field("spec.preparation.captions.api")
                        .base(URI.create(url()))
                        .model("seer")
                        .patience(Duration.ofSeconds(1))
                        .attempts(1)
                        .build(),
                http,
                time -> {
                    throw new TrainerException(Reason.Preempted, "asked to stop");
                });

        assertThatThrownBy(() -> api.ask(question()))
                .satisfies(e -> assertThat(reason(e)).isEqualTo(Reason.Preempted));
    }

    @Test
    void withoutAKeyItIsSaidWhereOneComesFrom() {
        answers(401, "");

        assertThatThrownBy(() -> api(null).ask(question()))
                .hasMessageContaining(
                        "must have a key (`spec.preparation.captions.api.secretRef`, or OPENAI_API_KEY outside a cluster)");
        assertThat(keys).containsOnlyNulls();
    }

    @ParameterizedTest
    @ValueSource(strings = {"500 ", "503 busy", "408 ", "429 ", "200 ", "200 rubbish", "200 {\"choices\": []}", "0 "})
    void whatMayPassIsAskedAgainAtGrowingIntervalsAndThenUnreachable(String reply) {
        String[] parts = reply.split(" ", 2);
        answers(Integer.parseInt(parts[0]), parts[1]);
        patience = reply.startsWith("0") ? Duration.ofMillis(300) : patience;

        assertThatThrownBy(() -> api("k").ask(question()))
                .satisfies(e -> assertThat(reason(e)).isEqualTo(Reason.SourceUnreachable))
                .hasMessageContaining("must answer, but in 4 attempts it did not");

        assertThat(questions).hasSize(ATTEMPTS);
        assertThat(pauses).extracting(Duration::toSeconds).containsExactly(1L, 2L, 4L, 0L);
    }

    @Test
    void theServerSaysWhenToComeAgain() throws Exception {
        replies.add(new Reply(429, "", "17"));
        replies.add(new Reply(503, "", "9000"));
        says("a cat");

        assertThat(api("k").ask(question())).isEqualTo("a cat");

        assertThat(pauses).containsExactly(Duration.ofSeconds(17), Duration.ofMinutes(5));
    }

    @Test
    void aServerThatIsNotThereIsUnreachable() {
        server.stop(0);

        assertThatThrownBy(() -> api("k").ask(question()))
                .satisfies(e -> assertThat(reason(e)).isEqualTo(Reason.SourceUnreachable))
                .hasMessageContaining("it gave no answer");
    }

    @Test
    void inAPodAPrivateAddressIsRefused() throws IOException {
        AddressGuard guard = AddressGuard.of(name -> name.equals("LORA_PVC_ROOT") ? "/claims" : null);
        try (Http guarded = new Http(name -> null, guard, () -> false)) {
            ChatApi api = new ChatApi(
                    ChatApiSettingsBuilder.builder()
                            .field("spec.preparation.captions.api")
                            .base(URI.create(url()))
                            .model("seer")
                            .patience(Duration.ofSeconds(1))
                            .attempts(ATTEMPTS)
                            .build(),
                    guarded,
                    pauses::add);

            assertThatThrownBy(() -> api.ask(question()))
                    .satisfies(e -> assertThat(reason(e)).isEqualTo(Reason.InvalidConfiguration))
                    .hasMessageContaining("must be an address that may be asked");
        }
        assertThat(questions).isEmpty();
    }

    private ApiCaptioner captioner(int perCall) throws IOException {
        CaptionsSpec captions = Json.STRICT_YAML.readValue(
                "{source: OpenAI, api: {url: \"%s\", model: seer, picturesPerCall: %d, concurrency: 1}}"
                        .formatted(url(), perCall),
                CaptionsSpec.class);
        return new ApiCaptioner(captions, java.util.Objects.requireNonNull(captions.api()), api("k"), http);
    }

    private static List<CroppedPicture> robots(int count) throws IOException {
        List<CroppedPicture> pictures = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            Path file = Goldens.BUNDLED.resolve("robot/robot-%02d.png".formatted(i));
            Item item = ItemBuilder.builder()
                    .dataset(Json.STRICT_YAML.readValue("{uri: data}", training.lora.api.DatasetSpec.class))
                    .name("main/" + i)
                    .file(file)
                    .caption("")
                    .invisible(0)
                    .build();
            pictures.add(new CroppedPicture(item, file));
        }
        return pictures;
    }

    @Test
    void severalPicturesAreCaptionedByOneCallWhichIsAskedAgainUntilItsAnswerFits() throws Exception {
        says("no JSON");
        says("{\"captions\": [\"a\", \"b\"]}");
        says("```json\n{\"captions\": [\"a \\n robot\", \"b\", \"c\"]}\n```");

        assertThat(captioner(3).captions(robots(3))).containsExactly("a robot", "b", "c");

        assertThat(questions).hasSize(3);
        assertThat(questions
                        .get(0)
                        .at("/response_format/json_schema/schema/required/0")
                        .asText())
                .isEqualTo("captions");
        assertThat(questions.get(1).at("/messages/1/content/0/text").asText()).contains("it was no JSON");
        assertThat(questions.get(2).at("/messages/1/content/0/text").asText())
                .contains("it had 2 captions for 3 pictures");
    }

    @Test
    void aSheetThatIsNeverAnsweredRightlyIsAskedPictureByPicture() throws Exception {
        says("no JSON");
        says("no JSON");
        says("no JSON");
        says("one");
        says("two");

        assertThat(captioner(2).captions(robots(2))).containsExactly("one", "two");
    }
}
