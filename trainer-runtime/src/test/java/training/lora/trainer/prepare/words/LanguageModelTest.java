package training.lora.trainer.prepare.words;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.ConceptMode;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.prepare.caption.ChatApi;

/** What a language model may answer where captions are rewritten, and what becomes of it. */
class LanguageModelTest extends LanguageServer {
    @ParameterizedTest
    @ValueSource(ints = {1, 20, 21, 1000})
    void anyNumberOfCaptionsIsRewrittenInBatches(int count) throws IOException {
        rewrites(captions -> {});
        List<String> told = new ArrayList<>();

        LanguageModel.Cleaned cleaned =
                model.clean(ROBOT, "a red robot", pictures(robots(count)), (done, all) -> told.add(done + "/" + all));

        int calls = (count + 19) / 20;
        assertThat(told)
                .containsExactlyElementsOf(IntStream.rangeClosed(1, calls)
                        .mapToObj(i -> i + "/" + calls)
                        .toList());

        assertThat(cleaned.texts()).hasSize(count);
        robots(count).forEach(text -> assertThat(cleaned.texts()).containsEntry(text, text.replace("a robot", "TOK")));
        assertThat(questions).hasSize(calls);
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

        assertThat(clean(ROBOT, null, captions).texts()).hasSize(9).containsValue("TOK stands");

        assertThat(questions).hasSize(3);
        assertThat(questions).allSatisfy(question -> assertThat(text(question)).hasSizeLessThan(8000));
    }

    @Test
    void whatWasAnsweredIsNotAskedAgainAndANewCaptionIsAskedAlone() throws IOException {
        rewrites(captions -> {});
        clean(ROBOT, "a red robot", robots(30));
        questions.clear();

        assertThat(clean(ROBOT, "a robot of tin", robots(30)).texts()).hasSize(30);
        assertThat(questions).isEmpty();

        assertThat(clean(ROBOT, "a robot of tin", robots(31)).texts())
                .containsEntry("a robot on table 30", "TOK on table 30");
        assertThat(questions).hasSize(1);
        assertThat(asked(questions.get(0))).hasSize(1);

        // Another trigger, model or length are other captions.
        clean(new Subject("zorb", ConceptMode.Style, "zorb", null), null, robots(1));
        model = model("{model: m, maxWords: 9}");
        clean(ROBOT, null, robots(1));
        model = model("{model: other}");
        clean(ROBOT, null, robots(1));
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
                "a refusal; was no caption",
                "many words; had more than 20 words"
            })
    void whatIsRightInAnAnswerStaysAndTheRestIsAskedAgainSayingWhatWasWrong(String what, String problem)
            throws IOException {
        rewrites(captions -> spoil(what, captions));
        rewrites(captions -> {});

        assertThat(clean(ROBOT, null, robots(3)).texts())
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
            case "a refusal" -> second.put("caption", "I'm sorry, I can't help with TOK");
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
                "{\"captions\": [{\"id\": 1, \"caption\": \"TOK on a table\"}, {\"id\": 7, \"caption\": \"TOK\"}]}",
                "<think>{\"captions\": [{\"id\": 1, \"caption\": \"TOK, a draft\"}]}</think>{\"captions\": [{\"id\": 1, \"caption\": \"TOK on a table\"}]}",
                "{\"captions\": [{\"id\": 1, \"caption\": \"TOK\"}]} no, wait\n</think>\n\n[{\"id\": 1, \"caption\": \"TOK on a table\"}]",
                "First {\"captions\": [{\"id\": 1, \"caption\": \"TOK, a draft\"}]}, then {\"captions\": [{\"id\": 1, \"caption\": \"TOK on a table\"}]} (see [1])"
            })
    void jsonIsFoundInWhatModelsPutAroundIt(String answer) throws IOException {
        says(answer);

        assertThat(clean(ROBOT, null, robots(1)).texts())
                .containsOnly(Map.entry("a robot on table 0", "TOK on a table"));
        assertThat(questions).hasSize(1);
    }

    @ParameterizedTest
    @ValueSource(strings = {"no JSON", "{}", "{\"captions\": 7}", "null", "{\"captions\": [{\"id\": 1"})
    void rubbishAndThenARightAnswerIsARightAnswer(String rubbish) throws IOException {
        says(rubbish);
        rewrites(captions -> {});

        assertThat(clean(ROBOT, null, robots(2)).texts()).hasSize(2);

        assertThat(questions).hasSize(2);
        assertThat(text(questions.get(1))).contains("it was no JSON of that form");
    }

    @Test
    void rubbishForEverIsToldOnceTheFirstBatchHasNothingElse() throws IOException {
        model = model("{model: m, concurrency: 1}");
        says("I can't do that");

        assertThatThrownBy(() -> clean(ROBOT, null, robots(1000)))
                .satisfies(e -> assertThat(reason(e)).isEqualTo(Reason.InvalidData))
                .hasMessage(
                        "`spec.preparation.captions.language` m must rewrite captions as it is asked, but of 1000 captions of TOK it gave 0 that can be used: it was no JSON of that form");
        // Three times for the first batch; the next may have begun by then.
        assertThat(questions).hasSizeBetween(3, 4);
    }

    @Test
    void aCaptionThatIsNeverAnsweredRightlyIsLeftOpenAndSaid() throws IOException {
        rewrites(captions -> captions.removeIf(c -> c.path("caption").asText().endsWith("table 1")));

        LanguageModel.Cleaned cleaned = clean(ROBOT, null, robots(3));

        assertThat(cleaned.texts()).containsOnlyKeys("a robot on table 0", "a robot on table 2");
        assertThat(cleaned.problem()).isEqualTo("the caption of main/1.png was missing, or there twice");
        assertThat(questions).hasSize(3);

        // A later preparation doesn't pay for it again; with another setting it does.
        LanguageModel.Cleaned again = clean(ROBOT, null, robots(3));
        assertThat(again).isEqualTo(cleaned);
        assertThat(questions).hasSize(3);
        model = model("{model: other}");
        assertThat(clean(ROBOT, null, robots(3))).isEqualTo(cleaned);
        assertThat(questions).hasSize(6);
    }

    @Test
    void lessThanHalfOfAllIsTooLittle() throws IOException {
        rewrites(captions -> captions.removeIf(c -> !c.path("caption").asText().endsWith("table 1")));

        assertThatThrownBy(() -> clean(ROBOT, null, robots(3)))
                .satisfies(e -> assertThat(reason(e)).isEqualTo(Reason.InvalidData))
                .hasMessageContaining(
                        "but of 3 captions of TOK it gave 1 that can be used: the caption of main/0.png was missing");
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

        LanguageModel.Cleaned cleaned = clean(ROBOT, null, robots(8));

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

        assertThatThrownBy(() -> clean(ROBOT, null, robots(1)))
                .satisfies(e -> assertThat(reason(e)).isEqualTo(reason))
                .hasMessageContaining("`spec.preparation.captions.language`")
                .hasMessageContaining(sentence);
        assertThat(questions).hasSize(calls);
    }

    @Test
    void anAnswerOfNothingIsToldAsSuch() {
        says("");

        assertThatThrownBy(() -> clean(ROBOT, null, robots(1)))
                .satisfies(e -> assertThat(reason(e)).isEqualTo(Reason.InvalidData))
                .hasMessageEndingWith("it gave 0 that can be used: it was answered with nothing, 3 times");
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

        assertThat(clean(ROBOT, null, robots(80)).texts()).hasSize(80);
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
        assertThat(clean(style, null, List.of("a line drawing of a cat")).texts())
                .containsValue("a cat");

        assertThat(text(questions.get(0)))
                .contains("Leave out every word for style")
                .contains("and the word zorb");
        assertThat(text(questions.get(1))).contains("caption 1 must not say zorb");
    }

    @Test
    void whatWasAnsweredIsKeptWhereAnotherCallFails() throws IOException {
        rewrites(captions -> {});
        Function<JsonNode, String> right = answers.element();
        kept = new CountDownLatch(40);
        server.removeContext("/v1/chat/completions");
        server.createContext("/v1/chat/completions", exchange -> {
            JsonNode asked = Json.MAPPER.readTree(exchange.getRequestBody().readAllBytes());
            boolean first = text(asked).contains("\"a robot on table 0\"");
            if (first) {
                await(kept);
            }
            byte[] body = completion(right.apply(asked)).getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(first ? 500 : 200, body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });

        assertThatThrownBy(() -> clean(ROBOT, null, robots(60)))
                .satisfies(e -> assertThat(reason(e)).isEqualTo(Reason.SourceUnreachable));

        assertThat(known).hasSize(40);
    }

    @Test
    void aStopEndsItBetweenTwoCalls() throws IOException {
        model = model("{model: m, concurrency: 1}");
        rewrites(captions -> {});

        assertThatThrownBy(() -> model.clean(ROBOT, null, pictures(robots(1000)), (done, all) -> {
                    throw new TrainerException(Reason.Preempted, "asked to stop");
                }))
                .satisfies(e -> assertThat(reason(e)).isEqualTo(Reason.Preempted));
        model.close();

        assertThat(questions).hasSizeLessThan(50);
        assertThat(known).hasSizeGreaterThanOrEqualTo(20);
    }

    @ParameterizedTest
    @CsvSource({"一, 60, 1", "一, 200, 3", "เ, 200, 3", "TOK 一, 1, 1"})
    void wordsWithoutSpacesAreCountedByTheirLetters(String letter, int times, int calls) throws IOException {
        String text = letter.startsWith("TOK") ? letter : "TOK " + letter.repeat(times);
        says("{\"captions\": [{\"id\": 1, \"caption\": \"%s\"}]}".formatted(text));
        known.clear();

        if (calls == 1) {
            assertThat(clean(ROBOT, null, robots(1)).texts()).containsValue(text);
        } else {
            assertThatThrownBy(() -> clean(ROBOT, null, robots(1))).hasMessageContaining("had more than 20 words");
        }
        assertThat(questions).hasSize(calls);
    }
}
