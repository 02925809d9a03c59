package training.lora.api;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PlainTextTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "\uFEFFred cat", // a byte order mark, at the beginning, twice, inside
                "\uFEFF\uFEFFred cat",
                "red\uFEFF cat",
                "\u200Bred cat\u200B", // zero-width space
                "re\u200Cd ca\u200Dt", // joiners between letters that aren't joined
                "red cat\0",
                "r\u0007ed c\u001Bat\u007F",
                "re\u00ADd cat", // soft hyphen
                "\u200Ered\u200F \u202Acat\u202C", // directions
                "\u2060red\u2063 cat\u2069",
                "red\uFE0F cat\u180B", // selectors of glyphs
                "red\u034F \u3164cat", // a joiner and a letter that show nothing
                "red cat\uFFF9\uFFFE",
                "red cat\uDB40\uDC41\uDB40\uDC7F", // tags
                "red cat\uD83D" // half of a pair
            })
    void invisibleCharactersAreLeftOut(String text) {
        assertThat(PlainText.of(text)).isEqualTo("red cat");
        assertThat(PlainText.invisible(text)).isPositive();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                " red  cat ",
                "red\u00A0cat\u00A0",
                "red\u3000cat",
                "red\u2007\u202F\u2009cat",
                "red\r\ncat\r\n",
                "red\rcat",
                "red\tcat",
                "red\u2028cat\u2029",
                "red\u0085cat",
                "red\u2800cat"
            })
    void whiteSpaceOfAnyKindIsOneSpace(String text) {
        assertThat(PlainText.of(text)).isEqualTo("red cat");
        assertThat(PlainText.invisible(text)).isZero();
    }

    @Test
    void lettersWithMarksAreComposedAlsoWhereSomethingInvisibleStoodBetween() {
        assertThat(PlainText.of("cafe\u0301")).isEqualTo("caf\u00E9");
        assertThat(PlainText.of("cafe\u200B\u0301")).isEqualTo("caf\u00E9");
        assertThat(PlainText.of("\u1112\u1161\u11AB")).isEqualTo("\uD55C");
    }

    @Test
    void whatShowsStays() {
        for (String text : List.of(
                "\uFF52\uFF45\uFF44\uFF0C", // full width
                "saber \\(fate\\), <lora:x:1>",
                "caf\u00E9, \u732B, \u0645\u06CC\u200C\u062E\u0648\u0627\u0647\u0645", // a Persian word with a
                // non-joiner
                "\u0915\u094D\u200D\u0937", // joined Devanagari
                "\uD83D\uDC69\u200D\uD83D\uDE80", // woman astronaut: woman, joiner, rocket
                "\u2764\uFE0F\u200D\uD83D\uDD25", // heart on fire: heart, emoji selector, joiner, fire
                "\uD83D\uDC4B\uD83C\uDFFD", // hand with a skin tone
                "1\uFE0F\u20E3", // keycap
                "\uD83C\uDDEB\uD83C\uDDF7", // flag of France
                "\uD83C\uDFF4\uDB40\uDC67\uDB40\uDC62\uDB40\uDC65\uDB40\uDC6E\uDB40\uDC67\uDB40\uDC7F", // of England
                "\uD83E\uDEE0" // an emoji younger than this runtime's tables
                )) {
            assertThat(PlainText.of(text)).isEqualTo(text);
            assertThat(PlainText.invisible(text)).isZero();
        }
    }

    @Test
    void textWhoseEndsCountKeepsASpaceThere() {
        assertThat(PlainText.unstripped("TOK,\u00A0 ")).isEqualTo("TOK, ");
    }

    @Test
    void promptsTriggersAndThePrefixOfASpecArePlain() throws Exception {
        LoraTrainingSpec spec = Json.STRICT_YAML.readValue(
                "{baseModel: {uri: 'bundled://a'},"
                        + " datasets: [{uri: data, concept: {trigger: \"cafe\u0301\u200B\"}}],"
                        + " preparation: {captions: {prefix: \"\uFEFFa\u00A0photo, \"}},"
                        + " sampling: {prompts: [{text: \"\u200Ba  cat\", negative: \"\u200Bdog\"}]}}",
                LoraTrainingSpec.class);

        assertThat(spec.datasets().get(0).concept())
                .isEqualTo(new ConceptSpec(ConceptMode.Style, "caf\u00E9", null, null));
        assertThat(spec.preparation().captions().prefix()).isEqualTo("a photo, ");
        assertThat(spec.sampling().prompts().get(0)).isEqualTo(new PromptSpec("a cat", "dog", 0L));
    }

    @Test
    void triggerOfInvisibleCharactersAloneIsRefused() throws Exception {
        LoraTrainingSpec spec = Json.STRICT_YAML.readValue(
                "{baseModel: {uri: 'bundled://a'}, datasets: [{uri: data, concept: {trigger: \"\u200B\"}}]}",
                LoraTrainingSpec.class);

        assertThat(SpecValidator.problems(spec))
                .anyMatch(p -> p.startsWith("`spec.datasets[0].concept.trigger` must "));
    }
}
