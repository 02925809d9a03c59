package training.lora.trainer.prepare.words;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.ConceptMode;

/** What becomes of captions where no language model rewrites them. */
class CleanUpRulesTest {
    private static String clean(ConceptMode mode, @Nullable String className, String caption) {
        return new CleanUpRules(new Subject("TOK", mode, "TOK", className), List.of(caption)).clean(caption);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '"',
            value = {
                "a photo of a robot | a photo of TOK",
                "a Robot on a beach | TOK on a beach",
                "A ROBOT. | TOK.",
                "the robot's arm | TOK's arm",
                "a red robot in snow | a red TOK in snow",
                "two robots at night | two TOK at night",
                "the robots of the fair | TOK of the fair",
                // Once, and what it is rather than what it describes.
                "a robot beside a robot | TOK beside a robot",
                "a robot toy next to a robot | a robot toy next to TOK",
                "robots around a robot | robots around TOK",
                "a robot toy | TOK toy",
                "robot, standing, in snow | TOK, standing, in snow",
                // Not in other words, or joined to them.
                "robotics class | robotics class",
                "a microrobot | a microrobot",
                "a robot-like figure | a robot-like figure",
                "an anti-robot sign | an anti-robot sign",
                "robot_ears, smile | robot_ears, smile",
                "robot2 | robot2",
                "röbot and robotë | röbot and robotë",
                // Of another script the letters beside it are other words.
                "海滩上的robot | 海滩上的TOK",
                // It is called already.
                "a photo of TOK the robot | a photo of TOK the robot",
                "tok, a robot | tok, a robot",
                "a tokyo robot | a tokyo TOK",
                "a cat | a cat"
            })
    void theNounGivesItsPlaceToTheTriggerOnceAndInWholeWordsAlone(String caption, String cleaned) {
        assertThat(clean(ConceptMode.Object, "robot", caption)).isEqualTo(cleaned);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "cat | the category of cats | the category of TOK",
                "cat | a bobcat | a bobcat",
                "cat | a concatenation of a cat | a concatenation of TOK",
                "tok car | a tok car in tokyo | a tok car in tokyo",
                "teddy bear | a teddy bear on a shelf | TOK on a shelf",
                "teddy bear | teddy bears | TOK",
                "wolf | three wolves | three TOK",
                "fairy | fairies in a wood | TOK in a wood",
                "éléphant | une photo de l'éléphant | une photo de l'TOK",
                "Σκύλος | ένας σκύλος | ένας TOK",
                "猫 | 猫, 在垫子上 | TOK, 在垫子上",
                // Nothing tells where a word ends: a panda has the cat's sign.
                "猫 | 一只熊猫 | 一只熊猫",
                "猫 | 一只猫在垫子上 | 一只猫在垫子上"
            })
    void wordsEndWhereTheirScriptSaysSo(String className, String caption, String cleaned) {
        assertThat(clean(ConceptMode.Object, className, caption)).isEqualTo(cleaned);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "a woman with long hair | TOK with long hair",
                "a young woman and a man smiling | TOK and a man smiling",
                "a mannequin beside a man | a mannequin beside TOK",
                "two people in a park | two TOK in a park",
                "a portrait of the old man's dog | a portrait of TOK's dog",
                "a dog | a dog"
            })
    void thePersonOfAFaceIsTheFirst(String caption, String cleaned) {
        assertThat(clean(ConceptMode.Face, null, caption)).isEqualTo(cleaned);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '"',
            value = {
                "a line drawing of a cat | a cat",
                "Line drawings of cats | cats",
                "a cat in the style of a line drawing | a cat",
                "a cat, line drawing, on a mat | a cat, on a mat",
                "a cat in line drawing style, asleep | a cat, asleep",
                "a cat on a line drawing-table | a cat on a line drawing-table",
                "line drawing | line drawing"
            })
    void wordsForAStyleAreLeftOut(String caption, String cleaned) {
        assertThat(clean(ConceptMode.Style, "line drawing", caption)).isEqualTo(cleaned);
    }

    @Test
    void withoutAClassNameTheNounIsWhatMostCaptionsBeginWith() {
        List<String> captions = List.of(
                "a close up photo of a red robot on a table",
                "there is a robot standing in snow",
                "Two robots with umbrellas",
                "a boy holding a robot",
                "an emoji of a robot on a blue background",
                "a robot's arm");
        CleanUpRules rules = new CleanUpRules(new Subject("TOK", ConceptMode.Object, "TOK", null), captions);

        assertThat(rules.noun()).isEqualTo("robot");
        assertThat(captions.stream().map(rules::clean))
                .containsExactly(
                        "a close up photo of a red TOK on a table",
                        "there is TOK standing in snow",
                        "Two TOK with umbrellas",
                        "a boy holding TOK",
                        "an emoji of TOK on a blue background",
                        "TOK's arm");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "a robot; robot",
                "a robot/a cat; ",
                "a robot/a robot/a cat/a cat; ",
                "1girl, solo/1girl, smile; ",
                "一张猫的照片/一只猫; ",
                "a picture of a group of fairies/a fairy; fairy",
                "a glass bus on a bridge/a bus; bus",
                // Participles that are a part of the phrase, and some of which nobody can tell.
                "a brown stuffed animal sitting on a bed; animal",
                "a long haired cat; cat",
                "a red painted robot on a table; robot",
                "a strange thing; thing",
                "a wooden swing in a garden; swing",
                "a gold wedding ring; ring",
                "a white washing machine; ",
                "a robot painted red on a table; ",
                "a cat sleeping; cat",
                "a cat dressed as a pirate; cat",
                "a cat dressed all in black; cat",
                "a dog named max; dog",
                "a dog wearing sunglasses on a beach; dog",
                "a boy holding a robot; boy",
                "sitting on a bench; ",
                "two horses/a horse; horse",
                "houses/a house; house",
                "roses; rose",
                "two dresses/a dress; dress",
                "buses; bus",
                "boxes; box",
                "prizes; prize",
                "shoes; shoe",
                "potatoes; potato",
                "zombies; zombie"
            })
    void thereIsNoNounWhereTheyDiffer(String captions, String noun) {
        assertThat(Nouns.common(List.of(captions.split("/")))).isEqualTo(noun);
    }
}
