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
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.trainer.TrainerException;
import training.lora.trainer.dataset.Wildcards;

/** kohya's scripts that train whole models and new tokens, and how one is told from another. */
class KohyaScriptsTest {
    private static final String LEAST =
            "pretrained_model_name_or_path = \"a/b\"\nresolution = 512\ntrain_data_dir = \"sets\"\n";

    @TempDir
    Path folder;

    @BeforeEach
    void pictures() throws IOException {
        Files.createDirectories(folder.resolve("sets/3_tin robot"));
        for (String name : List.of("a", "b")) {
            Files.createFile(folder.resolve("sets/3_tin robot/" + name + ".png"));
        }
    }

    private Converted toml(@Nullable String from, String options) throws IOException {
        Path file = Files.writeString(folder.resolve("c.toml"), LEAST + options.replace("; ", "\n"));
        Places places = new Places(folder, folder);
        return from == null ? Conversion.convert(Tool.Kohya, file, places) : Conversion.convert(from, file, places);
    }

    private JsonNode spec(@Nullable String from, String options) throws IOException {
        Converted converted = toml(from, options);
        assertThat(Conversions.problems(converted.training())).isEmpty();
        return converted.training().get("spec");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"fine-tune.toml", "dreambooth.sh", "xl-fine-tune.toml", "inversion.toml", "xl-inversion.sh"})
    void aConfigurationBecomesTheTrainingThatIsKept(String name) throws IOException {
        Path file = Conversions.CONFIGS.resolve("kohya/" + name);
        Path here = Path.of("").toAbsolutePath();

        Converted converted = Conversion.convert(Tool.Kohya, file, new Places(here, here));

        assertThat(Conversion.recognise(file)).isEqualTo(Tool.Kohya);
        assertThat(Conversions.problems(converted.training())).isEmpty();
        assertThat(converted.warnings().stream().filter(w -> w.startsWith("done in another way here: ")))
                .hasSizeLessThanOrEqualTo(1);
        Kept.requireSame(converted, "kohya/" + name.replaceFirst("\\..*", ".yaml"));
    }

    /** Of all that is on, the scripts that have it are left. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "network_module = 'networks.loha' | Adapter | null | true",
                "network_args = ['conv_dim=4'] | Adapter | null | true",
                "unet_lr = 1e-4 | Adapter | null | true",
                "network_module = 'networks.lora'; stop_text_encoder_training = 100 | Adapter | null | true",
                "train_text_encoder = true | FullFineTuning | SDXL | true",
                "train_text_encoder = true; in_json = 'sets/metadata.json' | FullFineTuning | null | true",
                "learning_rate_te = 1e-6; train_text_encoder = true; in_json = 'sets/metadata.json' | FullFineTuning | null | true",
                "block_lr = '1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1' | FullFineTuning | SDXL | false",
                "learning_rate_te = 1e-6 | FullFineTuning | null | true",
                "no_token_padding = true | FullFineTuning | null | true",
                "stop_text_encoder_training = -1 | FullFineTuning | null | false",
                "token_string = 'robot' | TextualInversion | null | false",
                "token_string = 'robot'; network_dim = 8 | TextualInversion | null | false",
                "token_string = 'robot'; train_text_encoder = false | TextualInversion | null | false",
                "token_string = 'robot'; caption_dropout_rate = 0.1 | TextualInversion | null | false"
            })
    void optionsTellTheScript(String options, String method, String family, boolean textEncoder) throws IOException {
        Files.writeString(folder.resolve("sets/metadata.json"), "{}");

        JsonNode spec = spec(null, options);

        assertThat(spec.at("/training/method").asText("Adapter")).isEqualTo(method);
        assertThat(spec.at("/baseModel/family").asText("null")).isEqualTo(family);
        assertThat(spec.at("/training/adapter/textEncoder").asBoolean()).isEqualTo(textEncoder);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "learning_rate = 1e-5 | `network_module` must be given, or an option that tells another script, or --from must name the script, such as train_db.py, was unset",
                "use_safetensors = true | `network_module` must be given, or an option that tells another script, or --from must name the script, such as train_db.py, was unset",
                "network_module = 'networks.lora'; token_string = 'robot' | `token_string` must be unset beside `network_module`, which train_network.py or sdxl_train_network.py has, or --from must name the script, was \"robot\"",
                "learning_rate_te1 = 1e-6; no_token_padding = true | `no_token_padding` must be unset beside `learning_rate_te1`, which sdxl_train.py has, or --from must name the script, was true",
                "train_text_encoder = true; learning_rate_te2 = 0 | `learning_rate_te2` can't be 0: both text encoders have one rate: it must be as learning_rate_te1, unset learning_rate",
                "train_text_encoder = true; learning_rate = 0 | `learning_rate` must be greater than 0, for the denoiser is always trained, was 0",
                "block_lr = '1e-5,1e-6' | `block_lr` must be 23 numbers with commas between them, was \"1e-5,1e-6\"",
                "train_text_encoder = true; full_bf16 = true | `full_bf16` must be false unless mixed_precision is bf16, was true",
                "train_text_encoder = true; save_model_as = 'pt' | `save_model_as` must be one of ckpt, safetensors, diffusers, diffusers_safetensors, was \"pt\"",
                "train_text_encoder = true; in_json = 'meta.json' | `in_json` can't be \"meta.json\": captions are read from metadata.json or metadata.jsonl in the folder of the pictures: put it there under that name",
                "train_text_encoder = true; in_json = 'sets/metadata.jsonl' | `in_json` must be a file, was \"sets/metadata.jsonl\"",
                "token_string = 'robot'; num_vectors_per_token = 0 | `num_vectors_per_token` must be at least 1, was 0",
                "token_string = 'robot'; lr_scheduler = 'cosine' | `lr_scheduler` must be constant, constant_with_warmup, linear or polynomial where an embedding is trained, was \"cosine\"",
                "token_string = 'robot'; optimizer_type = 'Lion' | `optimizer_type` must be AdamW, AdamW8bit or Prodigy where embeddings are trained, was \"Lion\"",
                "token_string = '<Robot>' | `token_string` must have small letters, digits and hyphens alone between < and >, was \"<Robot>\"",
                "token_string = 'shs' | what pictures without captions are called (NAME of N_NAME, `class_tokens`) must have `token_string` shs as a word, was \"tin robot\"",
                "token_string = 'robot'; use_style_template = true; reg_data_dir = 'sets' | `use_style_template` must be unset where there are regularization pictures, which there are called by the token too, was true",
                "init_word = 'a toy' | `token_string` must be given, was unset"
            })
    void whatIsWrongIsSaidWithOptionAndValue(String options, String sentence) {
        assertThatThrownBy(() -> toml(null, options))
                .isInstanceOf(TrainerException.class)
                .hasMessage(folder.resolve("c.toml") + ": " + sentence);
    }

    @Test
    void aScriptThatIsNamedPassesOverWhatOthersHave() throws IOException {
        String options = "network_module = 'networks.lora'; network_args = ['conv_dim=4']; token_string = 'robot'";

        Converted converted = toml("train_db.py", options);

        assertThat(converted.training().at("/spec/training/method").asText()).isEqualTo("FullFineTuning");
        assertThat(converted.warnings()).anySatisfy(warning -> assertThat(warning)
                .contains("`network_module`, `network_args`, `token_string` (train_db.py has no such option)"));
        assertThat(toml("sdxl_train_network", options)
                        .training()
                        .at("/spec/baseModel/family")
                        .asText())
                .isEqualTo("SDXL");
    }

    @Test
    void whereACommandLineNamesTheScriptNothingElseDoes() throws IOException {
        Path file = Files.writeString(folder.resolve("train.sh"), "python train_db.py --seed 1");
        Places places = new Places(folder, folder);

        assertThatThrownBy(() -> Conversion.convert("fine_tune.py", file, places))
                .hasMessage(
                        "--from must be unset or kohya where FILE has a command line, which names the script, was fine_tune.py");
        assertThatThrownBy(() -> Conversion.convert("eden", file, file, places))
                .hasMessage("--from must be kohya or one of its scripts with two files, was eden");
    }

    @ParameterizedTest
    @CsvSource({
        "python fine_tune.py --seed 1, true",
        "accelerate launch ./sd-scripts/sdxl_train_textual_inversion.py --seed 1, true",
        "python sd3_train.py --seed 1, true",
        "cp -r fine_tune out, false",
        "python my_fine_tune.py --seed 1, false",
        "python train.py --output fine_tune.pyc, false"
    })
    void aShellScriptIsKohyasByTheNameOfWhatItStarts(String line, boolean known) throws IOException {
        Path file = Files.writeString(folder.resolve("train.sh"), line);

        assertThat(Conversion.recognise(file)).isEqualTo(known ? Tool.Kohya : null);
    }

    @Test
    void textEncodersOfDreamBoothStopAtTheirShareOfTheSteps() throws IOException {
        JsonNode epochs =
                spec("train_db", "max_train_epochs = 10; train_batch_size = 2; stop_text_encoder_training = 6");

        // Two pictures three times, two at a step.
        assertThat(epochs.at("/training/optimizer/textEncoderStopFraction").asDouble())
                .isEqualTo(0.2);
        assertThat(spec("train_db", "max_train_steps = 40; stop_text_encoder_training = 41")
                        .at("/training/optimizer")
                        .has("textEncoderStopFraction"))
                .isFalse();
        assertThat(spec("train_db", "learning_rate_te = 0")
                        .at("/training/adapter/textEncoder")
                        .asBoolean(true))
                .isFalse();
    }

    @Test
    void aRateOfTextEncodersThatAreNotTrainedIsNamed() throws IOException {
        assertThat(toml("fine_tune.py", "learning_rate_te = 1e-6; max_grad_norm = 0")
                        .warnings())
                .containsExactly("without effect: `learning_rate_te` (text encoders are not trained)");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "mixed_precision = 'no' | none",
                "mixed_precision = 'bf16' | Fp32Master",
                "mixed_precision = 'bf16'; full_bf16 = true | StochasticRounding",
                "mixed_precision = 'fp16' | Fp32Master",
                "mixed_precision = 'fp16'; full_fp16 = true | StochasticRounding"
            })
    void weightsAreFp32UnlessTheyAreAskedToBeRounded(String options, String weights) throws IOException {
        assertThat(spec("sdxl_train", options)
                        .at("/training/fullFineTuning/bf16Weights")
                        .asText("none"))
                .isEqualTo(weights);
    }

    @ParameterizedTest
    @CsvSource({
        "a/b, '', Diffusers",
        "sets/m.ckpt, '', Kohya",
        "bundled://emoji-sd, safetensors, Kohya",
        "m.safetensors, diffusers, Diffusers"
    })
    void aModelIsWrittenInTheFormOfTheBaseModel(String base, String form, String written) throws IOException {
        Path file = Files.writeString(
                folder.resolve("c.toml"),
                LEAST.replace("a/b", base) + (form.isEmpty() ? "" : "save_model_as = '%s'".formatted(form)));

        assertThat(Conversion.convert("train_db", file, new Places(folder, folder))
                        .training()
                        .at("/spec/output/formats")
                        .toString())
                .isEqualTo("[\"" + written + "\"]");
    }

    @Test
    void whatAllPicturesAreCalledStandsAroundTheToken() throws IOException {
        JsonNode spec = spec(null, "token_string = 'robot'; caption_prefix = 'toy'; caption_suffix = 'by night'");

        assertThat(spec.at("/preparation/captions").toString())
                .isEqualTo("{\"prefix\":\"toy tin \",\"suffix\":\" by night\"}");
        Files.createDirectories(folder.resolve("sets/1_robot"));
        assertThatThrownBy(() -> toml(null, "token_string = 'robot'"))
                .hasMessageContaining("must be robot alone, or the same in all data sets and no picture have a caption")
                .hasMessageEndingWith("was robot, tin robot");
    }

    @Test
    void captionsThatLackTheTokenAreSpokenOf() throws IOException {
        Files.writeString(folder.resolve("sets/3_tin robot/a.txt"), "a thing");

        assertThat(toml(null, "token_string = 'robot'").warnings()).anySatisfy(warning -> assertThat(warning)
                .startsWith("done in another way here: captions without robot get it in front of them; "));
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

    @Test
    void whatGradientsAreClippedToIsLeftOutOfWholeModels() throws IOException {
        assertThat(toml("train_db", "max_grad_norm = 0.5").warnings())
                .contains(
                        "done in another way here: `max_grad_norm` 0.5 is left out, because weights move before all gradients are there");
        assertThat(toml("train_db", "max_grad_norm = 0").warnings()).isEmpty();
    }
}
