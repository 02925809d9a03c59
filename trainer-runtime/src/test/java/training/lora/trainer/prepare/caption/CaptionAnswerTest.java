package training.lora.trainer.prepare.caption;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class CaptionAnswerTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "Sure! Here is a caption: a red robot on a table",
                "Sure! a red robot on a table",
                "OK!\na red robot on a table",
                "Absolutely:\n\na red robot on a table",
                "__a red robot__ on `a table`",
                "Of course, a red robot on a table",
                "Certainly.\n\na red robot on a table",
                "Here you go: a red robot on a table",
                "Certainly, here's a caption for the image:\n\n\"a red robot on a table\"",
                "Here is a possible caption for the picture:\na red robot on a table\n\nLet me know if you'd like another one!",
                "Caption: a red robot on a table",
                "**Caption:** a red robot on a table",
                "**a red robot** on a *table*",
                "# Caption\n\na red robot on a table",
                "- a red robot on a table",
                "1. a red robot on a table",
                "- a red robot\n- on a table",
                "```\na red robot on a table\n```",
                "“a red robot on a table”",
                "'a red robot on a table'",
                "Of course. Here’s a short caption: `a red robot on a table`",
                "The caption for this image: a red robot on a table"
            })
    void whatIsSaidAroundACaptionIsLeftOut(String said) {
        assertThat(CaptionAnswer.of(said)).isEqualTo(new CaptionAnswer("a red robot on a table", true));
        assertThat(CaptionAnswer.refuses(said)).isFalse();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "a red robot on a table",
                "a sign that says: here is the exit",
                "here are two cats: one red and one blue",
                "a cat with the text \"i'm sorry, i can't help it\"",
                "a meme that says i cannot see",
                "a shirt that reads as an ai i dream",
                "here is the place where a cat sits",
                "a dog's bowl, 3 * 4 tiles and 2 * 2 more",
                "\"open\" and \"closed\" on two signs",
                "a sign with 'sorry, we are closed' on it",
                "sorry board game on a table",
                "a robot as an ai assistant, drawn in ink",
                "a person unable to lift a box",
                "a man who can't see the camera",
                "a caption in white letters below a bat",
                "1girl, solo, ^_^, snake_case",
                "-- a dash before it",
                "okay sign made with a hand",
                "OK! magazine cover with a woman",
                "Great! a poster",
                "OK",
                "absolutely, positively the best",
                "f**k and s**t on a wall",
                "__init__.py on a screen",
                "'tis the season'",
                "'90s dancers'",
                "a meme with the words \"stop. I can't see you\"",
                "a tweet: \"hello! I don't see why not\"",
                "a tweet: “hello! I don’t see why not”",
                "a poster that says 'hello! I can't help it' in red",
                "a sign reads \"sorry. I'm sorry I\"",
                "a comic panel; I can't help it",
                "Sorry! the board game on a table",
                "a robot, i'm an ai on its shirt, that cannot see"
            })
    void aCaptionStaysAsItIs(String said) {
        assertThat(CaptionAnswer.of(said)).isEqualTo(new CaptionAnswer(said, false));
        assertThat(CaptionAnswer.refuses(said)).isFalse();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "I'm sorry, but I can't assist with that request.",
                "I’m sorry, I can’t help with identifying people.",
                "Sorry, I cannot describe this image.",
                "I cannot assist with this.",
                "I can't provide a caption for that.",
                "As an AI language model, I do not see images.",
                "As an AI, I can only read text.",
                "I am unable to view the image.",
                "Unable to process the picture.",
                "I apologize, but this picture is against the rules.",
                "Unfortunately, I can see nothing in it.",
                "a person. I'm sorry, I can't identify who it is.",
                "No image was provided.",
                "Please upload the image you want captioned.",
                "I cannot fulfill this request.",
                "I can't fulfil that.",
                "I'm sorry, but as an AI language model, I can't assist with that.",
                "I’m sorry, but due to our policy, I can’t describe people",
                "Sorry, because of who is in \"it\", I won't say.",
                "I won't be able to help",
                "I can't answer that.",
                "I cannot write a caption for it.",
                "I can't give one.",
                "I can't determine what is shown.",
                "I was unable to view the image",
                "I'm an AI and can't see images",
                "I don't have access to the image",
                "\"I'm sorry, I can't assist with that.\"",
                "**I'm sorry**, but I can't do that.",
                "- I can't assist with it",
                "Caption: I cannot identify the person"
            })
    void aRefusalIsKnown(String said) {
        assertThat(CaptionAnswer.refuses(CaptionAnswer.of(said).text())).isTrue();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {"Sure! Here is a caption:|''", "***|***", "\"\"|\"\""})
    void nothingElseLeavesNothing(String said, String caption) {
        assertThat(CaptionAnswer.of(said).text()).isEqualTo(caption);
    }

    @Test
    void severalLinesAreOneCaption() {
        assertThat(CaptionAnswer.of("a bat\r\nin a cave")).isEqualTo(new CaptionAnswer("a bat in a cave", false));
    }
}
