package training.lora.trainer.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Configurations of OneTrainer and ai-toolkit. */
class OtherConfigsTest {
    @TempDir
    Path folder;

    @ParameterizedTest
    @CsvSource({
        "OneTrainer, robot.json",
        "OneTrainer, embedding.json",
        "OneTrainer, pivotal.json",
        "AiToolkit, style.yml",
        "AiToolkit, embedding.yml"
    })
    void aConfigurationBecomesTheTrainingThatIsKept(Tool tool, String name) throws IOException {
        Path file = Conversions.CONFIGS.resolve(tool.id() + "/" + name);
        Path here = Path.of("").toAbsolutePath();

        Converted converted = Conversion.convert(tool, file, new Places(here, here));

        assertThat(Conversion.recognise(file)).isEqualTo(tool);
        assertThat(Conversions.problems(converted.training())).isEmpty();
        assertThat(converted.yaml()).doesNotContain("hf_secret");
        Kept.requireSame(converted, tool.id() + "/" + name.replaceFirst("\\..*", ".yaml"));
    }

    @Test
    void aPresetOfSomeOptionsIsOneTrainers() throws IOException {
        Path file = Files.writeString(
                folder.resolve("preset.json"), "{\"base_model_name\": \"a/b\", \"training_method\": \"LORA\"}");

        assertThat(Conversion.recognise(file)).isEqualTo(Tool.OneTrainer);
        assertThatThrownBy(() -> Conversion.convert(Tool.OneTrainer, file, new Places(folder, folder)))
                .hasMessage(
                        file
                                + ": `concepts` must have one that is enabled, or `concept_file_name` name a file with it, was unset");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "OneTrainer | epochs | \"many\" | `epochs` must be a number, was \"many\"",
                "OneTrainer | model_type | \"FLUX_DEV_1\" | `model_type` can't be \"FLUX_DEV_1\": it must be",
                "OneTrainer | concepts | [{\"path\": \"a\"}, {\"path\": \"b\", \"image\": {\"enable_random_flip\": true}}] | `concepts.image.enable_random_flip` must be the same in all concepts here, was false and true",
                "OneTrainer | concept_file_name | \"none.json\" | none.json must be a file",
                "AiToolkit | train.steps | \"many\" | `train.steps` must be a number, was \"many\"",
                "AiToolkit | model.is_flux | true | `model.is_flux` can't be true: Stable Diffusion 1.x and XL are here, and no other family",
                "AiToolkit | network.type | \"lorm\" | `network.type` can't be \"lorm\": ",
                "AiToolkit | datasets | 3 | `datasets` must be a list, was 3",
                "AiToolkit | type | \"concept_slider\" | `type` can't be \"concept_slider\": of processes sd_trainer is here"
            })
    void whatIsWrongIsSaidWithOptionAndValue(Tool tool, String key, String value, String sentence) throws IOException {
        ObjectNode config = Conversions.least(tool);
        if (key.equals("concept_file_name")) {
            config.remove("concepts");
        }
        Conversions.set(Conversions.options(tool, config), key, Conversions.json(value));

        assertThatThrownBy(() -> Conversions.convert(tool, folder, config)).hasMessageContaining(sentence);
    }

    private void write(String path, String text) throws IOException {
        Files.createDirectories(folder.resolve(path).getParent());
        Files.writeString(folder.resolve(path), text);
    }

    private Converted convert(Tool tool, String changes) throws IOException {
        ObjectNode config = Conversions.least(tool);
        String place = tool == Tool.Eden
                ? "lora_training_urls"
                : tool == Tool.OneTrainer ? "concepts.path" : "datasets.folder_path";
        Conversions.set(Conversions.options(tool, config), place, new TextNode("some"));
        Conversions.json("{" + changes + "}")
                .fields()
                .forEachRemaining(
                        field -> Conversions.set(Conversions.options(tool, config), field.getKey(), field.getValue()));
        return Conversions.convert(tool, folder, config);
    }

    private static String warnings(Converted converted) {
        return String.join("\n", converted.warnings());
    }

    @ParameterizedTest
    @CsvSource({"OneTrainer, concepts.path", "AiToolkit, datasets.folder_path", "Eden, lora_training_urls"})
    void captionsThatMeanSomethingElseHereAreRefused(Tool tool, String key) throws IOException {
        write("some/a.png", "");
        write("some/sub/b.png", "");
        write("some/sub/b.txt", "a <concept>");

        assertThatThrownBy(() -> convert(tool, ""))
                .hasMessageContaining(
                        "`%s` must have captions without <concept>, which stands for the words that call a concept here, but sub/b.txt has it, was \"some\"",
                        key);
        write("some/sub/b.txt", "a thing");
        write("some/sub/b.caption", "a thing");
        assertThatThrownBy(() -> convert(tool, ""))
                .hasMessageContaining(
                        "`%s` must have one caption for each picture, but sub/b.png has several, in sub/b.caption and sub/b.txt, was \"some\"",
                        key);
    }

    @ParameterizedTest
    @EnumSource(
            value = Tool.class,
            names = {"OneTrainer", "AiToolkit", "Eden"})
    void captionsThatAreReadHereAloneAreTold(Tool tool) throws IOException {
        write("some/a.png", "");
        write("some/b.png", "");
        write("some/a.caption", "a thing");
        assertThat(warnings(convert(tool, "")))
                .contains("captions of some are read from files of another ending than .txt too (a.caption)");
        write("some/metadata.csv", "file_name,text\nb.png,a thing\n");

        assertThat(warnings(convert(tool, "")))
                .contains("captions of %s are read, which no option names"
                        .formatted(folder.resolve("some/metadata.csv")));
    }

    @ParameterizedTest
    @CsvSource({"OneTrainer, true, true, false", "AiToolkit, false, true, true", "Eden, false, false, true"})
    void picturesThatAreLearnedHereAloneAreTold(Tool tool, boolean below, boolean kinds, boolean masks)
            throws IOException {
        write("some/a.gif", "");
        write("some/sub/b.png", "");
        write("some/a-masklabel.png", "");

        String warnings = warnings(convert(tool, ""));

        assertThat(warnings.contains("pictures in folders below some are learned too (sub/b.png)"))
                .isEqualTo(below);
        assertThat(warnings.contains("pictures of some are learned too that aren't called ")
                        && warnings.contains("(a.gif)"))
                .isEqualTo(kinds);
        assertThat(warnings.contains("is the mask of a picture, and none itself (a-masklabel.png)"))
                .isEqualTo(masks);
        if (below) {
            assertThat(warnings(convert(tool, "\"concepts.include_subdirectories\": true")))
                    .doesNotContain("folders below some");
        }
    }

    @Test
    void oneOfTheLinesOfOneTrainersCaptionsIsDrawn() throws IOException {
        String path = "/spec/preparation/captions/wildcards";
        write("some/a.png", "");
        write("some/a.txt", "a thing\n");
        assertThat(convert(Tool.OneTrainer, "").training().at(path).isMissingNode())
                .isTrue();
        write("some/a.txt", "a thing\n\nthe thing\n");

        Converted drawn = convert(Tool.OneTrainer, "");

        assertThat(drawn.training().at(path).asBoolean()).isTrue();
        assertThat(drawn.warnings())
                .contains("`preparation.captions.wildcards` draws one of a caption's lines each time, as there");
        write("some/b.png", "");
        write("some/b.txt", "a {thing}");
        Converted joined = convert(Tool.OneTrainer, "");
        assertThat(joined.training().at(path).isMissingNode()).isTrue();
        assertThat(warnings(joined))
                .contains(
                        "the lines of a caption are one, of which none is drawn, since captions have braces or aren't here (a.txt)");
    }

    @Test
    void whatIsSaidOfRegularizationPicturesAloneIsTold() throws IOException {
        String sets =
                "\"datasets\": [{\"folder_path\": \"some\", \"keep_tokens\": 1}, {\"folder_path\": \"other\", \"is_reg\": true, \"keep_tokens\": %d}]";

        assertThat(warnings(convert(Tool.AiToolkit, sets.formatted(2))))
                .contains("`datasets.keep_tokens` of regularization pictures is that of the others");
        assertThat(warnings(convert(Tool.AiToolkit, sets.formatted(1)))).doesNotContain("is that of the others");
    }

    @Test
    void picturesForValidationAreOfNoEpoch() throws IOException {
        write("some/a.png", "");
        write("some/b.png", "");
        String changes =
                "\"concepts\": [{\"path\": \"some\"}, {\"path\": \"some\", \"type\": \"VALIDATION\"}], \"save_every\": 3, \"save_every_unit\": \"EPOCH\", \"batch_size\": 1";

        assertThat(convert(Tool.OneTrainer, changes)
                        .training()
                        .at("/spec/training/checkpoints/everySteps")
                        .asInt())
                .isEqualTo(6);
    }

    @Test
    void aDefaultCaptionThatNoPictureGetsIsTold() throws IOException {
        String told = "pictures of some without a caption are not called \"a thing\"";
        String unset = "\"datasets.default_caption\": \"a thing\"";
        write("some/a.png", "");
        assertThat(warnings(convert(Tool.AiToolkit, unset))).doesNotContain(told);
        assertThat(warnings(convert(Tool.AiToolkit, unset + ", \"trigger_word\": \"shs\"")))
                .contains(told);
        write("some/b.png", "");
        write("some/b.txt", "b");
        assertThat(warnings(convert(Tool.AiToolkit, unset))).contains(told);
        write("some/a.txt", "a");
        assertThat(warnings(convert(Tool.AiToolkit, unset))).doesNotContain(told);
    }

    @Test
    void picturesWithCaptionsInATableGetNoDefaultCaption() throws IOException {
        write("some/a.png", "");
        write("some/metadata.csv", "file_name,text\na.png,a\n");

        Converted converted = convert(Tool.AiToolkit, "\"datasets.default_caption\": \"a thing\"");

        assertThat(warnings(converted)).doesNotContain("without a caption are not called");
        assertThat(converted.training().at("/spec/datasets/0/concept").isMissingNode())
                .isTrue();
    }

    @Test
    void aCaptionOfSeveralLinesInATableIsOneOfOneTrainers() throws IOException {
        write("some/a.png", "");
        write("some/metadata.jsonl", "{\"file_name\": \"a.png\", \"text\": \"a thing\\nthe thing\"}\n");

        assertThat(convert(Tool.OneTrainer, "")
                        .training()
                        .at("/spec/preparation/captions/wildcards")
                        .isMissingNode())
                .isTrue();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "OneTrainer | \"samples.prompt\": \"a <concept>\" | `samples.prompt`",
                "OneTrainer | \"samples.prompt\": \"a\", \"samples.negative_prompt\": \"<concept>\" | `samples.negative_prompt`",
                "AiToolkit | \"sample.prompts\": [\"a <concept>\"] | `sample.prompts`",
                "AiToolkit | \"sample.samples.prompt\": \"a <concept>\" | `sample.samples.prompt`"
            })
    void promptsThatMeanSomethingElseHereAreRefused(Tool tool, String changes, String key) {
        assertThatThrownBy(() -> convert(tool, changes))
                .hasMessageContaining(key + " must have prompts without <concept>, which stands for");
    }

    @Test
    void oneTrainersFineTuningIsThatOfAllWeightsWithItsRatesAndNumberFormats() throws IOException {
        ObjectNode config = Conversions.least(Tool.OneTrainer);
        config.setAll((ObjectNode) Conversions.json("""
                {"training_method": "FINE_TUNE", "epochs": 20, "train_dtype": "BFLOAT_16", "learning_rate": 0.00002,
                 "unet": {"learning_rate": 0.00001, "weight_dtype": "BFLOAT_16"},
                 "text_encoder": {"train": true, "learning_rate": 0.000003, "stop_training_after": 5, "stop_training_after_unit": "EPOCH"},
                 "optimizer": {"optimizer": "ADAFACTOR"}, "ema": "GPU", "ema_decay": 0.99, "lora_rank": 8}"""));

        Converted converted = Conversions.convert(Tool.OneTrainer, folder, config);

        JsonNode training = converted.training().at("/spec/training");
        assertThat(training.path("method").asText()).isEqualTo("FullFineTuning");
        assertThat(training.path("adapter")).isEqualTo(Conversions.json("{\"textEncoder\": true}"));
        assertThat(training.at("/fullFineTuning/bf16Weights").asText()).isEqualTo("StochasticRounding");
        assertThat(training.at("/optimizer/learningRate").asDouble()).isEqualTo(1e-5);
        assertThat(training.at("/optimizer/textEncoderLearningRate").asDouble()).isEqualTo(3e-6);
        assertThat(training.at("/optimizer/textEncoderStopFraction").asDouble()).isEqualTo(0.25);
        assertThat(training.at("/optimizer/maxGradientNorm").isMissingNode()).isTrue();
        assertThat(training.at("/ema/decay").asDouble()).isEqualTo(0.99);
        assertThat(Conversions.problems(converted.training())).isEmpty();
        assertThat(converted.warnings())
                .anySatisfy(warning -> assertThat(warning).contains("`lora_rank` (with FINE_TUNE there is no adapter)"))
                .contains(
                        "`clip_grad_norm` 1.0 is left out: with FINE_TUNE weights move before all gradients are there");
    }

    /** As its TrainConfig has them. */
    @Test
    void oneTrainersDefaultsAreFineTuningAndThirtyEpochsOfTextEncoders() throws IOException {
        ObjectNode config = Conversions.least(Tool.OneTrainer);
        config.remove("training_method");

        JsonNode training =
                Conversions.convert(Tool.OneTrainer, folder, config).training().at("/spec/training");

        assertThat(training.path("method").asText()).isEqualTo("FullFineTuning");
        assertThat(training.path("epochs").asInt()).isEqualTo(100);
        assertThat(training.at("/optimizer/textEncoderStopFraction").asDouble()).isEqualTo(0.3);
        config.put("epochs", 30);
        assertThat(Conversions.convert(Tool.OneTrainer, folder, config)
                        .training()
                        .at("/spec/training/optimizer/textEncoderStopFraction")
                        .isMissingNode())
                .isTrue();
        config.putObject("text_encoder").put("stop_training_after", 0);
        assertThatThrownBy(() -> Conversions.convert(Tool.OneTrainer, folder, config))
                .hasMessageContaining(
                        "`text_encoder.stop_training_after` must be at least 1 where text_encoder.train is true, since there 0 means never trained, was 0");
    }

    @Test
    void oneTrainersWeightsInFp32StandBesideThoseInBf16() throws IOException {
        ObjectNode config = Conversions.least(Tool.OneTrainer).put("training_method", "FINE_TUNE");
        config.putObject("text_encoder").put("train", false);

        JsonNode training =
                Conversions.convert(Tool.OneTrainer, folder, config).training().at("/spec/training");

        assertThat(training.at("/fullFineTuning/bf16Weights").asText()).isEqualTo("Fp32Master");
        assertThat(training.at("/adapter/textEncoder").asBoolean()).isFalse();
        config.put("train_dtype", "FLOAT_32");
        assertThat(Conversions.convert(Tool.OneTrainer, folder, config)
                        .training()
                        .at("/spec/training/fullFineTuning")
                        .isMissingNode())
                .isTrue();
        config.put("weight_dtype", "BFLOAT_16").putObject("unet").put("weight_dtype", "NONE");
        assertThat(Conversions.convert(Tool.OneTrainer, folder, config).warnings())
                .anySatisfy(warning -> assertThat(warning).contains("`weight_dtype` (it counts with FINE_TUNE and"));
        config.put("train_dtype", "BFLOAT_16");
        assertThat(Conversions.convert(Tool.OneTrainer, folder, config)
                        .training()
                        .at("/spec/training/fullFineTuning/bf16Weights")
                        .asText())
                .isEqualTo("StochasticRounding");
        config.put("layer_filter_preset", "attn-mlp");
        assertThatThrownBy(() -> Conversions.convert(Tool.OneTrainer, folder, config))
                .hasMessageContaining("`layer_filter_preset` must be unset or full with FINE_TUNE");
    }
}
