package training.lora.trainer.prepare.caption;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.http.AddressGuard;
import training.lora.trainer.http.Http;

/** What an API may answer, and what becomes of it. */
class ChatApiTest extends ChatServer {
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

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{'code': 'content_filter', 'param': 'prompt', 'message': 'filtered, whatever the temperature', 'status': 400}",
                "{'code': 'content_policy_violation', 'message': 'against the rules'}",
                "{'message': 'filtered', 'innererror': {'code': 'ResponsibleAIPolicyViolation'}}"
            })
    void aPictureThatAServersFilterStopsIsDeclinedAndNoMistakeOfTheField(String error) {
        answers(400, "{\"error\": %s}".formatted(error.replace('\'', '"')));

        assertThatThrownBy(() -> api("k").ask(question()))
                .isInstanceOf(ChatApi.DeclinedException.class)
                .hasMessage("was stopped by the server's filter of content");
        assertThat(questions).hasSize(1);
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

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"error\": {\"message\": \"slow down, k!\", \"code\": \"rate_limit_exceeded\"}}",
                "{\"error\": \"slow down, k!\"}",
                "{\"message\": \"slow down,\\n k!\"}",
                "{\"detail\": [{\"msg\": \"slow down, k!\"}]}",
                "slow down, k!"
            })
    void whatTheServerSaysOfAFailureThatMayPassIsTold(String body) {
        answers(429, body);

        assertThatThrownBy(() -> api("k").ask(question()))
                .satisfies(e -> assertThat(reason(e)).isEqualTo(Reason.SourceUnreachable))
                .hasMessageEndingWith("it answered 429: slow down, …!");
    }

    @Test
    void aPageOrALongTextOfAServerIsBounded() {
        answers(503, "<html><body>busy</body></html>");
        assertThatThrownBy(() -> api("k").ask(question())).hasMessageEndingWith("503 Service Unavailable");
        replies.clear();
        answers(500, "b".repeat(1000));
        assertThatThrownBy(() -> api("k").ask(question())).hasMessageEndingWith(": " + "b".repeat(200) + "…");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "429; {'message': 'You exceeded your quota', 'code': 'insufficient_quota'}",
                "429; {'message': 'You exceeded your quota', 'type': 'billing_not_active'}",
                "402; {'message': 'You exceeded your quota'}"
            })
    void aQuotaThatIsUsedUpIsNoMatterOfWaiting(int status, String error) {
        answers(status, "{\"error\": %s}".formatted(error.replace('\'', '"')));

        assertThatThrownBy(() -> api("k").ask(question()))
                .satisfies(e -> assertThat(reason(e)).isEqualTo(Reason.InvalidConfiguration))
                .hasMessageStartingWith("`spec.preparation.captions.api` " + url()
                        + " must be paid for, but the quota or credit of its key is used up, the server answered "
                        + status)
                .hasMessageEndingWith(": You exceeded your quota");
        assertThat(questions).hasSize(1);
        assertThat(pauses).isEmpty();
    }

    @Test
    void aLimitOfAMinuteIsNoUsedUpQuota() throws Exception {
        answers(
                429,
                "{\"error\": {\"message\": \"You exceeded your current quota, please check your plan and billing details\", \"status\": \"RESOURCE_EXHAUSTED\"}}");
        says("a cat");

        assertThat(api("k").ask(question())).isEqualTo("a cat");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "400; {'error': {'message': 'Unsupported parameter', 'param': 'max_tokens'}}",
                "422; {'detail': [{'msg': 'extra fields', 'loc': ['body', 'max_tokens']}]}"
            })
    void theOtherNameOfTheTokensIsTriedOnce(int status, String body) throws Exception {
        answers(status, body.replace('\'', '"'));
        says("a cat");
        ChatApi api = api("k");
        assertThat(api.ask(question())).isEqualTo("a cat");
        assertThat(questions.get(1).path("max_completion_tokens").asInt()).isEqualTo(9);
        replies.clear();
        answers(status, body.replace('\'', '"'));

        assertThatThrownBy(() -> api.ask(question()))
                .satisfies(e -> assertThat(reason(e)).isEqualTo(Reason.InvalidConfiguration));
        assertThat(questions).hasSize(3);
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
}
