package training.lora.trainer.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.trainer.dataset.Wildcards;

/** Captions and data sets of kohya's scripts, foremost of those that train new tokens. */
class KohyaTokensTest {
    @TempDir
    Path folder;

    @BeforeEach
    void pictures() throws IOException {
        picture("sets/3_tin robot/a.png");
        picture("sets/3_tin robot/b.png");
    }

    private void picture(String path) throws IOException {
        Files.createDirectories(folder.resolve(path).getParent());
        Files.createFile(folder.resolve(path));
    }

    private Converted toml(@Nullable String from, String options) throws IOException {
        boolean named = options.contains("train_data_dir");
        return Conversions.kohya(from, folder, named ? options : "train_data_dir = 'sets'; " + options);
    }

    private JsonNode spec(@Nullable String from, String options) throws IOException {
        Converted converted = toml(from, options);
        assertThat(Conversions.problems(converted.training())).isEmpty();
        return converted.training().get("spec");
    }

    @Test
    void whatAllPicturesAreCalledStandsAroundTheToken() throws IOException {
        JsonNode spec = spec(null, "token_string = 'robot'; caption_prefix = 'toy'; caption_suffix = 'by night'");

        assertThat(spec.at("/preparation/captions").toString())
                .isEqualTo("{\"prefix\":\"toy tin \",\"suffix\":\" by night\"}");
        Files.createDirectories(folder.resolve("sets/1_robot"));
        assertThatThrownBy(() -> toml(null, "token_string = 'robot'"))
                .hasMessageContaining(
                        "must be robot alone, or the same in all data sets, in none of which a picture has a caption")
                .hasMessageEndingWith("was robot, tin robot");
    }

    @Test
    void captionsThatLackTheTokenAreSpokenOf() throws IOException {
        Files.writeString(folder.resolve("sets/3_tin robot/a.txt"), "a thing");

        assertThat(toml(null, "token_string = 'robot'").warnings()).anySatisfy(warning -> assertThat(warning)
                .startsWith("done in another way here: ")
                .contains("; captions without robot get it in front of them; "));
    }

    @Test
    void theTokenInWordsOfAFoldersNameIsTheTrigger() throws IOException {
        picture("others/1_<robot> beside <robot>/a.png");

        assertThat(spec(null, "token_string = '<robot>'; train_data_dir = 'others'")
                        .at("/preparation/captions/suffix")
                        .asText())
                .isEqualTo(" beside robot-emb");
    }

    @Test
    void aTokenThatAPrefixHasTooIsToldToStandThereTwice() throws IOException {
        Files.writeString(folder.resolve("sets/3_tin robot/a.txt"), "a thing");
        String said = "captions without robot get it in front of them, although `caption_%s` has it too";

        assertThat(Conversions.differences(toml(null, "token_string = 'robot'; caption_prefix = 'photo of robot,'")))
                .contains(said.formatted("prefix"));
        assertThat(Conversions.differences(toml(null, "token_string = 'robot'; caption_suffix = 'and robot'")))
                .contains(said.formatted("suffix"));
        assertThat(Conversions.differences(toml(null, "token_string = 'robot'; caption_prefix = 'photo of robots,'")))
                .doesNotContain("although");
    }

    @Test
    void tokensNeedADataSetThatTheyAreLearnedFrom() throws IOException {
        picture("class/1_robot/c.png");

        assertThatThrownBy(() ->
                        toml(null, "token_string = 'robot'; reg_data_dir = 'class'; train_data_dir = 'class/1_robot'"))
                .hasMessage(
                        "%s: there must be a data set that new tokens are learned from, but `reg_data_dir` makes all of them regularization pictures",
                        folder.resolve("c.toml"));
    }

    @ParameterizedTest
    @CsvSource({"object, 27, a close-up photo of the", "style, 17, a weird painting"})
    void templatesAreDrawn(String kind, int different, String one) throws IOException {
        JsonNode captions = spec(null, "token_string = 'robot'; use_%s_template = true".formatted(kind))
                .at("/preparation/captions");
        String prefix = captions.get("prefix").asText();
        SplittableRandom random = new SplittableRandom(1);

        Set<String> drawn = new TreeSet<>();
        for (int i = 0; i < 2000; i++) {
            drawn.add(Wildcards.draw(List.of(prefix), random));
        }

        assertThat(captions.get("source").asText()).isEqualTo("None");
        assertThat(captions.get("wildcards").asBoolean()).isTrue();
        assertThat(drawn).hasSize(different).contains(one);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            nullValues = "-",
            quoteCharacter = '"',
            value = {
                "10_robot, metal | robot | - | ', metal'",
                "10_a (robot) | robot | 'a (' | ')'",
                "10_cat | ' cat' | - | -"
            })
    void theTokenIsFoundAmongWordsAndCommas(String set, String token, @Nullable String prefix, @Nullable String suffix)
            throws IOException {
        picture("others/" + set + "/a.png");

        JsonNode captions = spec(null, "token_string = '%s'; train_data_dir = 'others'".formatted(bare(token)))
                .at("/preparation/captions");

        assertThat(captions.path("prefix").asText()).isEqualTo(bare(prefix));
        assertThat(captions.path("suffix").asText()).isEqualTo(bare(suffix));
    }

    private static String bare(@Nullable String quoted) {
        return quoted == null ? "" : quoted.replace("'", "");
    }

    @Test
    void wordsOfPicturesWithoutCaptionsThatAreLostAreNamed() throws IOException {
        Files.writeString(folder.resolve("sets/3_tin robot/a.txt"), "a robot");

        assertThat(Conversions.differences(toml(null, "token_string = 'robot'")))
                .contains("pictures of sets/3_tin robot without a caption are called robot, and not \"tin robot\"");
        assertThat(Conversions.differences(toml("train_db", "")))
                .contains("pictures of sets/3_tin robot without a caption are not called \"tin robot\"");
        Files.writeString(folder.resolve("sets/3_tin robot/b.txt"), "a robot");
        assertThat(Conversions.differences(toml(null, "token_string = 'robot'")))
                .doesNotContain("without a caption");
        assertThat(Conversions.differences(toml("train_db", ""))).doesNotContain("without a caption");
    }

    @Test
    void wordsOfRegularizationPicturesThatAreLostAreNamed() throws IOException {
        picture("class/1_robot/c.png");

        assertThat(Conversions.differences(toml("train_db", "reg_data_dir = 'class'")))
                .contains("regularization pictures without a caption are not called \"robot\"");
        Files.writeString(folder.resolve("class/1_robot/c.txt"), "robot");
        assertThat(Conversions.differences(toml("train_db", "reg_data_dir = 'class'")))
                .doesNotContain("regularization");
    }

    @ParameterizedTest
    @CsvSource({
        "metadata.json, '{\"a\": {\"caption\": \"a robot\"}}', false",
        "metadata.json, '{\"a\": {\"caption\": \"a robot\"}, \"b\": {\"caption\": \"robots\"}}', true",
        "metadata.json, '{\"a\": {\"caption\": \"a thing\", \"tags\": \"red, robot\"}}', false",
        "metadata.json, '{\"a\": {\"caption\": [\"a robot\", \"the robot\"]}}', false",
        "metadata.json, '{\"a\": {\"caption\": [\"a robot\", \"a thing\"]}}', true",
        "metadata.json, '{\"a\": \"a robot\", \"b\": \"robot\"}', false",
        "metadata.json, '[{\"image_path\": \"a.png\", \"prompt\": \"a robot\"}]', false",
        "metadata.jsonl, '{\"file_name\": \"robot.png\", \"text\": \"a thing\"}', true",
        "metadata.jsonl, '{\"file_name\": \"a.png\", \"text\": [\"robot\", \"a robot\"]}', false"
    })
    void captionsOfATableThatLackTheTokenAreSpokenOf(String name, String table, boolean without) throws IOException {
        Files.writeString(folder.resolve("sets/" + name), table);

        assertThat(Conversions.differences(toml(null, "token_string = 'robot'; in_json = 'sets/%s'".formatted(name)))
                        .contains("captions without robot get it in front of them"))
                .isEqualTo(without);
    }

    @Test
    void aTableThatIsNoneIsRefusedByNameAndProblem() throws IOException {
        Files.writeString(folder.resolve("sets/metadata.json"), "{\"a\": ");

        assertThatThrownBy(() -> toml(null, "token_string = 'robot'; in_json = 'sets/metadata.json'"))
                .hasMessageStartingWith(
                        "%s: %s is no JSON: ", folder.resolve("c.toml"), folder.resolve("sets/metadata.json"))
                .hasMessageEndingWith(
                        "; what isn't meant as a table of captions must have another name or lie elsewhere");
    }

    /** A file's options count for its data sets, also those that the script's command line doesn't have. */
    @Test
    void captionsAreLeftOutAtAFilesRates() throws IOException {
        String rates = "; caption_dropout_rate = 0.1; caption_tag_dropout_rate = 0.2";

        JsonNode captions = spec(null, "token_string = 'robot'" + rates).at("/training/captions");
        JsonNode drawn = spec(null, "token_string = 'robot'; use_object_template = true" + rates)
                .at("/training/captions");

        assertThat(captions.path("dropout").asDouble()).isEqualTo(0.1);
        assertThat(captions.path("tagDropout").asDouble()).isEqualTo(0.2);
        assertThat(drawn.path("dropout").asDouble()).isEqualTo(0.1);
        assertThat(drawn.path("tagDropout").asDouble()).isZero();
    }

    @ParameterizedTest
    @CsvSource({"AdamW, 0, ''", "AdamW, 1, `max_grad_norm` sees", "Prodigy, 0, Prodigy's estimate sees"})
    void theGradientOfTokensAloneIsNamedWhereItIsSeen(String type, double norm, String seen) throws IOException {
        String said = Conversions.differences(toml(
                null,
                "token_string = 'robot'; learning_rate = 1; optimizer_type = '%s'; max_grad_norm = %s"
                        .formatted(type, norm)));

        assertThat(said.contains("the gradient of new tokens alone")).isEqualTo(!seen.isEmpty());
        assertThat(said).contains(seen);
    }

    @Test
    void statesInEightBitsThatTokensDoWithoutAreNamed() throws IOException {
        assertThat(toml(null, "token_string = 'robot'; use_8bit_adam = true").warnings())
                .contains("AdamW8bit of `use_8bit_adam` became AdamW, whose states of a few tokens are small");
        assertThat(toml(null, "token_string = 'robot'; optimizer_type = 'PagedAdamW8bit'")
                        .warnings())
                .contains("AdamW8bit of `optimizer_type` became AdamW, whose states of a few tokens are small");
    }

    @Test
    void repeatsOfACommandLineCountWhereASubsetHasNone() throws IOException {
        Files.writeString(
                folder.resolve("d.toml"),
                "[[datasets]]\n[[datasets.subsets]]\nimage_dir = 'sets'\n[[datasets.subsets]]\nimage_dir = 'more'\nnum_repeats = 2\n");
        Converted converted = toml(
                "sdxl_train",
                "dataset_repeats = 5; dataset_config = 'd.toml'; reg_data_dir = 'sets'; in_json = 'm.json'");

        assertThat(converted.training().at("/spec/datasets/0/repeats").asInt()).isEqualTo(5);
        assertThat(converted.training().at("/spec/datasets/1/repeats").asInt()).isEqualTo(2);
        assertThat(converted.warnings()).anySatisfy(warning -> assertThat(warning)
                .contains("`train_data_dir`, `reg_data_dir`, `in_json` (counts without a dataset configuration alone)")
                .doesNotContain("dataset_repeats"));
    }

    @Test
    void regularizationPicturesBesideATableArePassedOverByName() throws IOException {
        Files.writeString(folder.resolve("sets/metadata.json"), "{}");

        assertThat(toml("sdxl_train", "in_json = 'sets/metadata.json'; reg_data_dir = 'sets'")
                        .warnings())
                .anySatisfy(warning -> assertThat(warning).contains("`reg_data_dir` (counts without `in_json` alone)"));
    }

    @Test
    void masksAreNotForAScriptThatHasNone() throws IOException {
        assertThat(toml("fine_tune", "masked_loss = true").warnings())
                .anySatisfy(warning -> assertThat(warning).contains("`masked_loss` (fine_tune.py has no such option)"));
    }
}
