package training.lora.trainer.prepare.words;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;
import training.lora.api.ConceptMode;
import training.lora.api.Reason;

/** What a language model may answer about a concept, and what becomes of it. */
class ConceptWordsTest extends LanguageServer {
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
    void aRefusalIsNoDescription() throws IOException {
        says("{\"description\": \"I'm sorry, but I can't describe that\"}");
        says("{\"description\": \"a red robot\"}");

        assertThat(model.description(ROBOT, robots(2))).isEqualTo("a red robot");
        assertThat(text(questions.get(1))).contains("description was no answer");
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

    @Test
    void longCaptionsAreOfAllOverToo() throws IOException {
        says("{\"description\": \"a red robot\"}");
        List<String> captions = robots(1000).stream()
                .map(caption -> caption + " and" + " more".repeat(120))
                .toList();

        model.description(ROBOT, captions);

        assertThat(text(questions.get(0)))
                .contains("a robot on table 0 ")
                .containsPattern("a robot on table [89]\\d\\d ")
                .hasSizeLessThan(8000);
    }

    @Test
    void aTriggerThatIsKeptIsAskedForAnewWhereItMeansSomethingByNow() throws IOException {
        says("{\"trigger\": \"zorbek\"}");
        says("{\"trigger\": \"zorbek\"}");
        says("{\"trigger\": \"vespur\"}");
        Subject robot = new Subject("TOK", ConceptMode.Object, "TOK", null);
        assertThat(model.trigger(robot, robots(3), word -> false)).isEqualTo("zorbek");

        assertThat(model.trigger(robot, robots(3), "zorbek"::equals)).isEqualTo("vespur");
        assertThat(model.trigger(robot, robots(3), "zorbek"::equals)).isEqualTo("vespur");

        assertThat(questions).hasSize(3);
    }
}
