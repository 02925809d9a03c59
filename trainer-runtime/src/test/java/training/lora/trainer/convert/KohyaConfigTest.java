package training.lora.trainer.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class KohyaConfigTest {
    @TempDir
    Path folder;

    @ParameterizedTest
    @ValueSource(strings = {"style.toml", "train.sh"})
    void aConfigurationBecomesTheTrainingThatIsKept(String name) throws IOException {
        Path file = Conversions.CONFIGS.resolve("kohya/" + name);
        Path here = Path.of("").toAbsolutePath();

        Converted converted = Conversion.convert(Tool.Kohya, file, new Places(here, here));

        assertThat(Conversion.recognise(file)).isEqualTo(Tool.Kohya);
        assertThat(Conversions.problems(converted.training())).isEmpty();
        Kept.requireSame(converted, "kohya/" + name.replaceFirst("\\..*", ".yaml"));
    }

    @Test
    void aCommandLineCountsBeforeTheFileThatItNames() throws IOException {
        pictures();
        Files.writeString(
                folder.resolve("c.toml"),
                "pretrained_model_name_or_path = \"a/b\"\ntrain_data_dir = \"sets\"\nnetwork_dim = 8\nresolution = 512\n[any]\nseed = 3");

        Converted converted = Conversion.convert(
                List.of("python", "train_network.py", "--config_file", "c", "--network_dim", "64", "--flip-aug"),
                new Places(folder, folder));

        assertThat(converted.training().at("/spec/training/adapter/rank").intValue())
                .isEqualTo(64);
        assertThat(converted.training().at("/spec/training/seed").intValue()).isEqualTo(3);
        assertThat(converted.training().at("/spec/baseModel/uri").asText()).isEqualTo("hf://a/b");
        assertThat(converted.training().at("/spec/preparation/flip").asBoolean())
                .isTrue();
    }

    @Test
    void theFileOfDataSetsMayStandBesideTheOther() throws IOException {
        Path file =
                Files.writeString(folder.resolve("c.toml"), "pretrained_model_name_or_path = \"a/b\"\nnetwork_dim = 8");
        Path dataset = Files.writeString(
                folder.resolve("d.toml"),
                "[[datasets]]\nresolution = 768\n[[datasets.subsets]]\nimage_dir = \"one\"\nnum_repeats = 2");

        Converted converted = Conversion.convert(null, file, dataset, new Places(folder, folder));

        assertThat(converted.training().at("/spec/preparation/resolution").intValue())
                .isEqualTo(768);
        assertThat(converted.training().at("/spec/datasets/0").toString())
                .isEqualTo("{\"name\":\"main\",\"uri\":\"one\",\"repeats\":2}");
    }

    /** A picture three times in each of two epochs: 0.25 of 6 steps. */
    @ParameterizedTest
    @ValueSource(strings = {"0.25", "'25%'", "'25 %'"})
    void aWarmUpIsAShareOfTheStepsOfEpochsToo(String share) throws IOException {
        pictures();
        String options = "max_train_epochs = 2; lr_scheduler = 'cosine'; lr_warmup_steps = " + share;

        Converted converted = Conversions.kohyaSets("train_network", folder, options);

        assertThat(converted
                        .training()
                        .at("/spec/training/optimizer/schedule/warmupSteps")
                        .intValue())
                .isEqualTo(1);
    }

    @Test
    void aPercentageOfStepsIsNeverANumberOfThem() throws IOException {
        pictures();
        String options = "lr_scheduler = '%s'; lr_warmup_steps = '%s'";

        assertThat(Conversions.kohyaSets("train_network", folder, options.formatted("cosine", "100%"))
                        .training()
                        .at("/spec/training/optimizer/schedule/warmupSteps")
                        .intValue())
                .isEqualTo(1600);
        assertThat(Conversions.kohyaSets("train_network", folder, options.formatted("constant", "5%"))
                        .warnings())
                .contains(
                        "without effect: `lr_warmup_steps` (with constant there is none, but with constant_with_warmup)");
        assertThatThrownBy(() -> Conversions.kohyaSets("train_network", folder, options.formatted("cosine", "many%")))
                .hasMessageContaining("`lr_warmup_steps` must be a number, or one with % behind it, was");
    }

    @Test
    void whatIsEmptyIsNotGiven() throws IOException {
        pictures();

        Converted converted = Conversions.kohyaSets("train_network", folder, "in_json = ''");

        assertThat(converted.training().at("/spec/datasets/0").toString())
                .contains("\"uri\":\"sets/3_x\"", "\"repeats\":3");
    }

    @ParameterizedTest
    @ValueSource(strings = {"train_batch_size = 2.5", "train_batch_size = '2.9'", "keep_tokens = 1.5"})
    void aNumberOfThingsIsWhole(String option) throws IOException {
        pictures();

        assertThatThrownBy(() -> Conversions.kohyaSets("train_network", folder, option))
                .hasMessageContaining("`%s` must be a whole number".formatted(option.split(" ")[0]));
    }

    private void pictures() throws IOException {
        Files.createDirectories(folder.resolve("sets/3_x"));
        Files.createFile(folder.resolve("sets/3_x/a.png"));
    }

    @Test
    void promptsAreReadFromTomlAndJsonToo() throws IOException {
        Files.writeString(
                folder.resolve("p.toml"),
                "[prompt]\nnegative_prompt = \"blurry\"\nsample_steps = 12\n[[prompt.subset]]\nprompt = \"a cat\"\nseed = 5\n"
                        + "[[prompt.subset]]\nprompt = \"a dog\"\nnegative_prompt = \"grey\"\n");
        Files.writeString(
                folder.resolve("p.json"),
                "[{\"prompt\": \"a cat\", \"negative_prompt\": \"blurry\", \"seed\": 5, \"sample_steps\": 12}, \"a dog --n grey --s 12\"]");
        pictures();
        ObjectNode config = Conversions.least(Tool.Kohya).put("train_data_dir", "sets");

        ObjectNode toml = (ObjectNode) Conversions.convert(Tool.Kohya, folder, config.put("sample_prompts", "p.toml"))
                .training()
                .at("/spec/sampling");
        ObjectNode json = (ObjectNode) Conversions.convert(Tool.Kohya, folder, config.put("sample_prompts", "p.json"))
                .training()
                .at("/spec/sampling");

        assertThat(toml).isEqualTo(json);
        assertThat(toml.toString())
                .isEqualTo(
                        "{\"prompts\":[{\"text\":\"a cat\",\"negative\":\"blurry\",\"seed\":5},{\"text\":\"a dog\",\"negative\":\"grey\",\"seed\":0}],\"steps\":12,\"guidance\":7.5}");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "models/base.safetensors | 1 | `clip_skip` is for Stable Diffusion 1.x",
                "models/sd_xl_base_1.0.safetensors | 0 | `clip_skip` is left out",
                "models/juggernautXL_v8.safetensors | 0 | `clip_skip` is left out",
                "cagliostrolab/animagine-xl-3.1 | 0 | `clip_skip` is left out",
                "models/pixlart.safetensors | 1 | `clip_skip` is for Stable Diffusion 1.x",
            })
    void withoutAScriptClipSkipGoesByTheBaseModelsName(String base, int skip, String note) throws IOException {
        pictures();
        ObjectNode config = Conversions.least(Tool.Kohya)
                .put("train_data_dir", "sets")
                .put("pretrained_model_name_or_path", base)
                .put("clip_skip", 2);

        Converted converted = Conversions.convert(Tool.Kohya, folder, config);

        assertThat(converted.training().at("/spec/training/captions/clipSkip").asInt(-1))
                .isEqualTo(skip);
        assertThat(converted.warnings())
                .anySatisfy(warning -> assertThat(warning).startsWith(note));
    }

    @ParameterizedTest
    @CsvSource({"train_network.py, 1", "sdxl_train_network.py, 0"})
    void aScriptTellsWhetherThereIsClipSkip(String script, int skip) throws IOException {
        pictures();
        String line =
                script + " --pretrained_model_name_or_path a/b-xl --train_data_dir sets --resolution 512 --clip_skip 2";

        Converted converted = Conversion.convert(List.of(line.split(" ")), new Places(folder, folder));

        assertThat(converted.training().at("/spec/training/captions/clipSkip").asInt(-1))
                .isEqualTo(skip);
        assertThat(converted.warnings())
                .noneSatisfy(warning -> assertThat(warning).contains("clip_skip"));
    }

    @Test
    void whatPicturesHaveInCommonMustBeTheSame() throws IOException {
        Path file = Files.writeString(folder.resolve("d.toml"), """
                pretrained_model_name_or_path = "a/b"
                network_dim = 8
                [[datasets]]
                resolution = 512
                [[datasets.subsets]]
                image_dir = "one"
                [[datasets]]
                resolution = 768
                [[datasets.subsets]]
                image_dir = "two"
                """);

        assertThatThrownBy(() -> Conversion.convert(Tool.Kohya, file, new Places(folder, folder)))
                .hasMessage(file + ": `resolution` must be the same in all data sets here, was 512 and 768");
    }

    @Test
    void wordsWithoutCaptionsCallTheConcept() throws IOException {
        pictures();
        ObjectNode config = Conversions.least(Tool.Kohya).put("train_data_dir", "sets");

        assertThat(Conversions.convert(Tool.Kohya, folder, config)
                        .training()
                        .at("/spec/datasets/0/concept")
                        .toString())
                .isEqualTo("{\"mode\":\"Object\",\"trigger\":\"x\"}");
        Files.writeString(folder.resolve("sets/3_x/a.txt"), "a thing");
        assertThat(Conversions.convert(Tool.Kohya, folder, config)
                        .training()
                        .at("/spec/datasets/0")
                        .toString())
                .isEqualTo("{\"name\":\"main\",\"uri\":\"sets/3_x\",\"repeats\":3}");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "train_network.py --network_dim=eight | `network_dim` must be a number, was \"eight\"",
                "flux_train_network.py --seed 1 | the script must be train_network.py, sdxl_train_network.py, fine_tune.py, train_db.py, sdxl_train.py, train_textual_inversion.py or sdxl_train_textual_inversion.py, was flux_train_network.py, and what that trains isn't here",
                "train_network.py robot | \"robot\" must belong to an option",
                "train_network.py --seed 1 | `pretrained_model_name_or_path` must be given, was unset",
                "train_network.py --network_args conv_dim | `network_args` must be of the form NAME=VALUE, was \"conv_dim\"",
                "train_network.py --resolution 512x512 | `resolution` must be one or two whole numbers, was \"512x512\"",
                "train_network.py --train_data_dir none | `train_data_dir` must be a folder that can be read, was \"none\"",
                "train_network.py --v2 | `v2` can't be true: Stable Diffusion 2 is another family"
            })
    void whatIsWrongIsSaidWithOptionAndValue(String line, String sentence) throws IOException {
        pictures();
        String least = line.contains("seed 1") ? "" : " --pretrained_model_name_or_path a/b";
        String model = line.contains("pretrained") || line.endsWith("robot") ? line : line + least;
        String sets =
                line.contains("train_data_dir") || line.endsWith("robot") ? model : model + " --train_data_dir sets";
        String all = line.contains("resolution") || line.endsWith("robot") ? sets : sets + " --resolution 512";

        assertThatThrownBy(() -> Conversion.convert(List.of(all.split(" ")), new Places(folder, folder)))
                .hasMessage("the command line: " + sentence);
    }

    @Test
    void aSyntaxErrorIsNamedWithFileAndLine() throws IOException {
        Path file = Files.writeString(folder.resolve("c.toml"), "seed = 1\nnetwork_dim = = 2\n");

        assertThat(Conversion.recognise(file)).isEqualTo(Tool.Kohya);
        assertThatThrownBy(() -> Conversion.convert(Tool.Kohya, file, new Places(folder, folder)))
                .hasMessageContaining(file + " must be TOML: ")
                .hasMessageContaining("line 2");
    }
}
