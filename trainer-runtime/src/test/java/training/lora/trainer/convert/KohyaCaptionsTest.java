package training.lora.trainer.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.DatasetSpec;
import training.lora.api.Json;
import training.lora.trainer.dataset.Concepts;

/** Where captions of kohya's configurations are read, and what stands for words in them here and there. */
class KohyaCaptionsTest {
    private static final String CONFIG = "dataset_config = 'd.toml'";

    @TempDir
    Path folder;

    @BeforeEach
    void pictures() throws IOException {
        for (String path : List.of("sets/3_robot", "two/1_robot", "two/2_robot", "one", "other")) {
            Files.createDirectories(folder.resolve(path));
            Files.createFile(folder.resolve(path).resolve("a.png"));
        }
        for (String path : List.of("one", "sets")) {
            Files.writeString(folder.resolve(path + "/metadata.json"), "{\"a.png\": {\"caption\": \"a robot\"}}");
        }
    }

    private Converted toml(@Nullable String from, String options) throws IOException {
        return Conversions.kohyaSets(from, folder, options);
    }

    private JsonNode spec(@Nullable String from, String options) throws IOException {
        Converted converted = toml(from, options);
        assertThat(Conversions.problems(converted.training())).isEmpty();
        return converted.training().get("spec");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "sdxl_train | in_json = 'sets/metadata.json' | captions are a table's",
                "sdxl_train_network | in_json = 'sets/metadata.json' | captions are a table's",
                "train_textual_inversion | token_string = 'robot'; in_json = 'sets/metadata.json' | captions are a table's",
                "train_textual_inversion | token_string = 'robot'; use_object_template = true | a template is the whole caption",
                "train_textual_inversion | token_string = 'robot'; use_style_template = true | a template is the whole caption"
            })
    void whatCaptionsFilesEndWithHasNoEffectWhereCaptionsAreNoFiles(String script, String options, String reason)
            throws IOException {
        for (String key : List.of("caption_extension", "caption_extention")) {
            for (String ending : List.of(".cap", ".txt")) {
                Converted converted = toml(script, options + "; %s = '%s'".formatted(key, ending));

                assertThat(converted.training()).isEqualTo(toml(script, options).training());
                assertThat(converted.warnings().stream().filter(warning -> warning.startsWith("without effect: ")))
                        .singleElement()
                        .asString()
                        .contains("`%s` (%s)".formatted(key, reason));
            }
        }
    }

    @Test
    void whatCaptionsFilesEndWithCountsForDataSetsWithoutATable() throws IOException {
        String config =
                "[general]\ncaption_extension = '%s'\n[[datasets]]\n[[datasets.subsets]]\nimage_dir = 'one'\nmetadata_file = 'one/metadata.json'\n[[datasets]]\n[[datasets.subsets]]\nimage_dir = 'other'\n";

        Files.writeString(folder.resolve("d.toml"), config.formatted(".cap"));
        assertThatThrownBy(() -> toml("sdxl_train", CONFIG))
                .hasMessage(folder.resolve("c.toml")
                        + ": `caption_extension` can't be \".cap\": captions are NAME.txt or NAME.caption");
        Files.writeString(folder.resolve("d.toml"), config.formatted("txt"));
        assertThat(spec("sdxl_train", CONFIG).at("/preparation/captions/source").asText())
                .isEqualTo("Auto");
    }

    @Test
    void whatATemplateLeavesNoPlaceForIsNamedWhereverItStands() throws IOException {
        Files.writeString(
                folder.resolve("d.toml"),
                "[general]\nshuffle_caption = true\ncaption_tag_dropout_rate = 0.1\n[[datasets]]\n[[datasets.subsets]]\nimage_dir = 'one'\ncaption_prefix = 'x'\n");

        assertThat(toml(null, "token_string = 'robot'; use_object_template = true; " + CONFIG)
                        .warnings())
                .contains(
                        "without effect: `caption_prefix`, `shuffle_caption`, `caption_tag_dropout_rate` (a template is the whole caption)");
    }

    @Test
    void dataSetsKeepNamesOfTheirOwnWhateverTheTokenIsCalled() throws IOException {
        String options = "train_data_dir = 'two'; token_string = '<%s>'; use_object_template = true";

        assertThat(spec(null, options.formatted("main-2")).at("/datasets").findValuesAsText("name"))
                .containsExactly("main-2", "main-3");
        assertThat(spec(null, options.formatted("main")).at("/datasets").findValuesAsText("name"))
                .containsExactly("main", "main-2");
        assertThat(spec(null, options.formatted("robot")).at("/datasets").findValuesAsText("name"))
                .containsExactly("robot", "main-2");
    }

    @Test
    void aRegularizationSetGivesItsNameToTheToken() throws IOException {
        Files.writeString(
                folder.resolve("d.toml"),
                "[[datasets]]\n[[datasets.subsets]]\nimage_dir = 'other'\nis_reg = true\n[[datasets.subsets]]\nimage_dir = 'one'\n");

        JsonNode datasets = spec(null, "token_string = '<main>'; " + CONFIG).at("/datasets");

        assertThat(datasets.findValuesAsText("uri")).containsExactly("other", "one");
        assertThat(datasets.findValuesAsText("name")).containsExactly("main-3", "main");
    }

    @ParameterizedTest
    @ValueSource(strings = {"<concept>", "<main>"})
    void captionsWithWhatStandsForAConceptHereAreRefused(String placeholder) throws IOException {
        Files.writeString(folder.resolve("sets/3_robot/a.txt"), "a robot of " + placeholder);

        assertThatThrownBy(() -> toml(null, "token_string = 'robot'"))
                .hasMessage(
                        "%s: `train_data_dir` must have captions without %s, which stands for the words that call a concept here, but a.txt has it, was \"sets/3_robot\"",
                        folder.resolve("c.toml"), placeholder);
        assertThat(spec(null, "token_string = 'robot'; use_object_template = true")
                        .at("/preparation/captions/source")
                        .asText())
                .isEqualTo("None");
    }

    @Test
    void captionsOfATableWithWhatStandsForAConceptHereAreRefused() throws IOException {
        Files.writeString(folder.resolve("sets/metadata.json"), "{\"a\": {\"tags\": \"x, <concept>\"}}");

        assertThatThrownBy(() -> toml("sdxl_train", "in_json = 'sets/metadata.json'"))
                .hasMessageContaining(
                        "`train_data_dir` must have captions without <concept>, which stands for the words that call a concept here, but metadata.json has it, was \"sets\"");
    }

    /** That of a data set without a concept is text here too. */
    @Test
    void aNameThatStandsForNothingIsText() throws IOException {
        Files.writeString(folder.resolve("sets/3_robot/a.txt"), "a robot of <main>");

        assertThat(spec("train_db", "").at("/datasets/0").toString())
                .isEqualTo("{\"name\":\"main\",\"uri\":\"sets/3_robot\",\"repeats\":3}");
    }

    @ParameterizedTest
    @CsvSource({
        "a <concept>, <concept>, a <concept>",
        "a cat --n a <main>, <main>, a <main>",
        "a <con --n cept>, '', ''"
    })
    void promptsWithWhatStandsForAConceptHereAreRefused(String prompt, String placeholder, String part)
            throws IOException {
        Files.writeString(folder.resolve("p.txt"), "a dog\n" + prompt);

        if (placeholder.isEmpty()) {
            assertThat(spec("train_db", "sample_prompts = 'p.txt'")
                            .at("/sampling/prompts/1/negative")
                            .asText())
                    .isEqualTo("cept>");
            return;
        }
        assertThatThrownBy(() -> toml("train_db", "sample_prompts = 'p.txt'"))
                .hasMessage(
                        "%s: `sample_prompts` must have prompts without %s, which stands for the words that call a concept here, but \"%s\" has it, was \"p.txt\"",
                        folder.resolve("c.toml"), placeholder, part);
    }

    @ParameterizedTest
    @ValueSource(strings = {"concept", "main", "robot"})
    void aTokenThatIsWrittenAsAPlaceholderStandsForItsTrigger(String name) throws IOException {
        String token = "<" + name + ">";
        Files.writeString(folder.resolve("sets/3_robot/a.txt"), "a " + token);
        Files.writeString(folder.resolve("p.txt"), token + " at night");

        JsonNode spec = spec(
                null,
                "token_string = '%s'; sample_prompts = 'p.txt'; caption_prefix = 'photo of %s,'"
                        .formatted(token, token));
        DatasetSpec dataset = Json.MAPPER.treeToValue(spec.at("/datasets/0"), DatasetSpec.class);

        assertThat(Concepts.of(List.of(dataset)).caption(dataset, "a " + token)).isEqualTo("a " + name + "-emb");
        assertThat(spec.at("/sampling/prompts/0/text").asText()).isEqualTo(token + " at night");
        assertThat(spec.at("/preparation/captions/prefix").asText()).isEqualTo("photo of %s-emb, ".formatted(name));
    }
}
