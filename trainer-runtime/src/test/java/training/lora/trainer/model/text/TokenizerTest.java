package training.lora.trainer.model.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/** Ids are those of transformers' tokenizer on the same folder. */
class TokenizerTest {
    private static final Path FOLDER = Path.of("../examples/bundled/emoji-sd/tokenizer");
    private static final String ODD = "  Crème   brûlée 12 don't🍐";
    private static final Map<String, long[]> EXPECTED = Map.of(
            "an emoji of a Cat face, in noto style!",
            new long[] {2112, 618, 571, 581, 320, 567, 515, 267, 579, 679, 665, 256, 2113, 2113},
            "",
            new long[] {2112, 2113, 2113},
            ODD,
            new long[] {
                2112, 741, 127, 101, 857, 65, 81, 127, 119, 75, 127, 102, 324, 272, 273, 67, 529, 6, 339, 172, 253, 235,
                494, 2113, 2113
            });

    @TempDir
    Path folder;

    @Test
    void idsAreThoseOfTransformers() {
        try (Tokenizer tokenizer = Tokenizer.open(FOLDER)) {
            EXPECTED.forEach((text, ids) -> {
                Tokens tokens = tokenizer.encode(text);

                assertThat(tokens.ids()).hasSize(77).startsWith(ids);
                assertThat(tokens.truncated()).isFalse();
                assertThat(tokens.ids()[76]).isEqualTo(2113);
            });
        }
    }

    @Test
    void longTextLosesItsEndButKeepsTheEndToken() {
        long[] expected = new long[77];
        Arrays.fill(expected, 1689);
        expected[0] = 2112;
        expected[76] = 2113;
        try (Tokenizer tokenizer = Tokenizer.open(FOLDER)) {
            assertThat(tokenizer.encode("wolf ".repeat(100))).satisfies(tokens -> {
                assertThat(tokens.ids()).containsExactly(expected);
                assertThat(tokens.truncated()).isTrue();
            });
            assertThat(tokenizer.encode("wolf ".repeat(75)).truncated()).isFalse();
            assertThat(tokenizer.encode("wolf ".repeat(76)).truncated()).isTrue();
        }
    }

    @Test
    void vocabularyAndMergesGiveTheSameIds() throws Exception {
        JsonNode model =
                Json.MAPPER.readTree(FOLDER.resolve("tokenizer.json").toFile()).get("model");
        Json.MAPPER.writeValue(folder.resolve("vocab.json").toFile(), model.get("vocab"));
        StringBuilder merges = new StringBuilder("#version: 0.2\n");
        model.get("merges").forEach(m -> merges.append(m.get(0).asText())
                .append(' ')
                .append(m.get(1).asText())
                .append('\n'));
        Files.writeString(folder.resolve("merges.txt"), merges);
        Files.copy(FOLDER.resolve("tokenizer_config.json"), folder.resolve("tokenizer_config.json"));

        try (Tokenizer whole = Tokenizer.open(FOLDER);
                Tokenizer built = Tokenizer.open(folder)) {
            for (String text : List.of(
                    "an emoji of a Cat face, in noto style!",
                    "",
                    ODD,
                    "A-B_c's 123 ΣΩ naïve",
                    "<|endoftext|> a pear")) {
                assertThat(built.encode(text).ids())
                        .as(text)
                        .containsExactly(whole.encode(text).ids());
            }
        }
    }

    @Test
    void fileThatIsNoTokenizerIsRefusedByItsFolder() throws Exception {
        Files.copy(FOLDER.resolve("tokenizer_config.json"), folder.resolve("tokenizer_config.json"));
        Files.writeString(
                folder.resolve("tokenizer.json"),
                "{\"model\": {\"vocab\": {\"<|startoftext|>\": 0, \"<|endoftext|>\": 1}}}");

        assertThatThrownBy(() -> Tokenizer.open(folder))
                .isInstanceOfSatisfying(
                        TrainerException.class, e -> assertThat(e.reason()).isEqualTo(Reason.InvalidBaseModel))
                .hasMessageStartingWith(folder + " must hold a tokenizer as transformers writes it, but: ");
    }
}
