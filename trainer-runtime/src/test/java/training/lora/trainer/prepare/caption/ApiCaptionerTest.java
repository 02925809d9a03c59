package training.lora.trainer.prepare.caption;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.entry;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.CaptionsSpec;
import training.lora.api.Json;
import training.lora.trainer.Goldens;
import training.lora.trainer.prepare.picture.Item;
import training.lora.trainer.prepare.picture.ItemBuilder;

/** What a model behind an API may say of pictures, and which captions come of it. */
class ApiCaptionerTest extends ChatServer {
    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "{'message': {'refusal': 'I will not'}}; was declined by the model: I will not",
                "{'finish_reason': 'content_filter', 'message': {'content': ''}}; was stopped by the server's filter of content",
                "{'finish_reason': 'length', 'message': {'content': 'a bat that'}}; did not fit into maxTokens (finish_reason length): `spec.preparation.captions.maxTokens`, 50, may be more, also for what a model thinks, or `spec.preparation.captions.api.model` another",
                "{'finish_reason': 'length', 'message': {'content': null}}; was answered with nothing (finish_reason length): `spec.preparation.captions.maxTokens`, 50, may be more, also for what a model thinks, or `spec.preparation.captions.api.model` another"
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
    void aModelThatAnswersNothingIsAskedAgainAndThenDeclines() throws Exception {
        completes("{\"finish_reason\": \"stop\", \"message\": {\"content\": \"\"}}");
        says("a robot");
        for (int i = 0; i < 3; i++) {
            completes("{\"finish_reason\": \"stop\", \"message\": {\"content\": null}}");
        }
        says("another robot");

        ApiCaptioner captioner = captioner(1);
        assertThat(captioner.captions(robots(1))).containsExactly("a robot");
        assertThatThrownBy(() -> captioner.captions(robots(2)))
                .isInstanceOfSatisfying(DeclinedPicturesException.class, e -> {
                    assertThat(e.captions()).containsExactly(null, "another robot");
                    assertThat(e.declined().get(0))
                            .startsWith(
                                    "was answered with nothing, 3 times (finish_reason stop): `spec.preparation.captions.maxTokens`");
                });
        assertThat(questions).hasSize(6);
    }

    @Test
    void aRefusalIsNoCaptionIsAskedAgainAndThenDeclinesAndWhatIsAroundACaptionIsCounted() throws Exception {
        says("I'm sorry, I can't assist with that.");
        says("Sure! Here is a caption:\n\n**\"a robot\"**");
        for (int i = 0; i < 3; i++) {
            says("I cannot describe people.");
        }

        ApiCaptioner captioner = captioner(1);
        assertThat(captioner.captions(robots(1))).containsExactly("a robot");
        assertThat(captioner.note()).startsWith("1 answers of seer had more than a caption");
        assertThat(questions.get(1).at("/messages/1/content/0/text").asText())
                .endsWith("Your last answer could not be used: it was no caption.");
        assertThatThrownBy(() -> captioner.captions(robots(1)))
                .isInstanceOfSatisfying(DeclinedPicturesException.class, e -> assertThat(e.declined())
                        .containsOnly(entry(0, "was declined by the model: I cannot describe people.")));
        assertThat(questions).hasSize(5);
    }

    @Test
    void aRefusalOnASheetIsAskedAgain() throws Exception {
        says("{\"captions\": [\"a bat\", \"I can't help with that\"]}");
        says("{\"captions\": [\"'a bat'\", \"a crab\"]}");

        ApiCaptioner captioner = captioner(2);
        assertThat(captioner.captions(robots(2))).containsExactly("a bat", "a crab");
        assertThat(captioner.note()).startsWith("1 answers");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "\\\"I'm sorry, I can't assist with that.\\\"",
                "“I can't assist with that.”",
                "**I'm sorry**, but I can't do that",
                "- I can't assist with it",
                "Caption: I cannot identify the person"
            })
    void aRefusalOnASheetIsKnownWhateverIsAroundIt(String refusal) throws Exception {
        says("{\"captions\": [\"a bat\", \"%s\"]}".formatted(refusal));
        says("{\"captions\": [\"a bat\", \"a crab\"]}");

        assertThat(captioner(2).captions(robots(2))).containsExactly("a bat", "a crab");
        assertThat(questions.get(1).at("/messages/1/content/0/text").asText()).contains("a text was no caption");
    }

    @Test
    void aSheetThatIsDeclinedIsAskedPictureByPicture() throws Exception {
        completes("{\"message\": {\"refusal\": \"no\"}}");
        says("one");
        says("two");

        assertThat(captioner(2).captions(robots(2))).containsExactly("one", "two");
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
                .hasMessageContaining("{0=was thought about, but not answered: `spec.preparation.captions.maxTokens`");
        assertThat(questions).hasSize(1);
    }

    private ApiCaptioner captioner(int perCall) throws IOException {
        CaptionsSpec captions = Json.STRICT_YAML.readValue(
                "{source: OpenAI, api: {url: \"%s\", model: seer, picturesPerCall: %d, concurrency: 1}}"
                        .formatted(url(), perCall),
                CaptionsSpec.class);
        return new ApiCaptioner(
                "spec.preparation.captions",
                captions,
                java.util.Objects.requireNonNull(captions.api()),
                api("k"),
                http);
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
