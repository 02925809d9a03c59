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
import training.lora.trainer.TrainerException;

/** kohya's scripts that train whole models and new tokens, and how one is told from another. */
class KohyaScriptsTest {
    @TempDir
    Path folder;

    @BeforeEach
    void pictures() throws IOException {
        Files.createDirectories(folder.resolve("sets/3_tin robot"));
        for (String name : List.of("a", "b")) {
            Files.createFile(folder.resolve("sets/3_tin robot/" + name + ".png"));
        }
        Files.writeString(folder.resolve("empty.toml"), "[general]\n");
    }

    private Converted toml(@Nullable String from, String options) throws IOException {
        return Conversions.kohya(from, folder, "train_data_dir = 'sets'; " + options);
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
                "train_text_encoder = true; no_metadata = true | FullFineTuning | SDXL | true",
                "stop_text_encoder_training = -1; training_comment = 'x' | FullFineTuning | null | false",
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
                "learning_rate = 1e-5; no_metadata = true | `network_module` must be given, or an option that another script alone has, or --from must name the script, such as train_db.py, was unset",
                "learning_rate = 1e-5 | `network_module` must be given, or an option that another script alone has, or --from must name the script, such as train_db.py, was unset",
                "use_safetensors = true | it may be for train_db.py or sdxl_train.py: --from must say which",
                "network_module = 'networks.lora'; token_string = 'robot' | `token_string` must be unset beside `network_module`, which train_network.py or sdxl_train_network.py has, or --from must name the script, was \"robot\"",
                "learning_rate_te1 = 1e-6; no_token_padding = true | `no_token_padding` must be unset beside `learning_rate_te1`, which sdxl_train.py has, or --from must name the script, was true",
                "train_text_encoder = true; learning_rate_te2 = 0 | `learning_rate_te2` can't be 0: both text encoders have one rate: it must be as learning_rate_te1, unset learning_rate",
                "train_text_encoder = true; learning_rate = 0 | `learning_rate` must be greater than 0, for the denoiser is always trained, was 0",
                "block_lr = '1e-5,1e-6' | `block_lr` must be 23 numbers with commas between them, was \"1e-5,1e-6\"",
                "train_text_encoder = true; learning_rate = 0; block_lr = '1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1' | `learning_rate` must be greater than 0, for the denoiser is always trained, was 0",
                "block_lr = 'NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN' | `block_lr` must be 23 numbers with commas between them, was \"NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN,NaN\"",
                "train_text_encoder = true; vae = 'a/vae' | `vae` can't be \"a/vae\": a whole model keeps the base model's autoencoder: take it out, or put it into the base model's files",
                "train_text_encoder = true; v_parameterization = true | `v_parameterization` can't be true: a whole model keeps the base model's scheduler, which says what it predicts: take it out",
                "train_text_encoder = true; zero_terminal_snr = true | `zero_terminal_snr` can't be true: a whole model keeps the base model's scheduler: take it out",
                "train_text_encoder = true; optimizer_type = 'Prodigy' | `optimizer_type` must be AdamW, AdamW8bit, AdaFactor, CAME or Lion where a whole model is trained, was \"Prodigy\"",
                "token_string = 'my cat' | `token_string` must be one word, without spaces in it, was \"my cat\"",
                "learning_rate_te = 1e-6; dataset_config = 'empty.toml' | it may be for fine_tune.py or train_db.py: --from must say which",
                "train_text_encoder = true; full_bf16 = true | `full_bf16` must be false unless mixed_precision is bf16, was true",
                "train_text_encoder = true; save_model_as = 'pt' | `save_model_as` must be one of ckpt, safetensors, diffusers, diffusers_safetensors, was \"pt\"",
                "train_text_encoder = true; in_json = 'meta.json' | `in_json` can't be \"meta.json\": captions are read from metadata.json or metadata.jsonl in the folder of the pictures: put it there under that name",
                "train_text_encoder = true; in_json = 'sets/metadata.jsonl' | `in_json` must be a file, was \"sets/metadata.jsonl\"",
                "token_string = 'robot'; num_vectors_per_token = 0 | `num_vectors_per_token` must be at least 1, was 0",
                "token_string = 'robot'; lr_scheduler = 'cosine' | `lr_scheduler` must be constant, constant_with_warmup, linear or polynomial where an embedding is trained, was \"cosine\"",
                "token_string = 'robot'; optimizer_type = 'Lion' | `optimizer_type` must be AdamW, AdamW8bit or Prodigy where embeddings are trained, was \"Lion\"",
                "token_string = '<Robot>' | `token_string` must have small letters, digits and hyphens alone between < and >, was \"<Robot>\"",
                "token_string = 'shs' | what pictures without captions are called (NAME of N_NAME, `class_tokens`) must have `token_string` shs in it, in whole words, was \"tin robot\"",
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
        "if [ ! -f train_db.py ]; then exit 1; fi, false",
        "cp sdxl_train.py out/, false",
        "X=1 ./train_db.py --seed 1, true",
        "if [ -f train_db.py ]; then python train_db.py --seed 1; fi, true",
        "$PYTHON train_db.py --seed 1, true",
        "`which python` train_db.py --seed 1, true",
        "sudo -u me accelerate-launch --num_processes 1 train_db.py --seed 1, true",
        "if true; then ./train_db.py --seed 1; fi, true",
        "python -m train_network --seed 1, true",
        "conda activate train_network, false",
        "echo Start train_network.py, false",
        "LOGS=out/train_network, false",
        "cp $HERE/train_network.py ./train_network.py, false",
        "python train.py --output fine_tune.pyc, false"
    })
    void aShellScriptIsKohyasByTheNameOfWhatItStarts(String line, boolean known) throws IOException {
        Path file = Files.writeString(folder.resolve("train.sh"), line);

        assertThat(Conversion.recognise(file)).isEqualTo(known ? Tool.Kohya : null);
    }

    @Test
    void theCommandWithOptionsIsReadThoughTheScriptIsNamedBefore() throws IOException {
        Path file = Files.writeString(folder.resolve("train.sh"), """
                SCRIPT=/opt/sd/train_network.py
                cp $HERE/train_network.py ./train_network.py
                python train_network.py
                echo "%s"
                python train_network.py --network_dim 8
                """.formatted("long ".repeat(20_000)));

        KohyaArguments read = KohyaArguments.ofScript(file, Files.readString(file), new Places(folder, folder));

        assertThat(read.options().get("network_dim").asText()).isEqualTo("8");
        assertThat(KohyaArguments.isIn(file, "\"" + "x\\y".repeat(100_000))).isFalse();
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
    void tablesOfADatasetConfigurationTellTheScript() throws IOException {
        String options = "learning_rate_te = 1e-6; dataset_config = '%s'"
                .formatted(folder.resolve("d.toml").toString());
        Files.writeString(folder.resolve("sets/metadata.json"), "{}");
        String subset = "[[datasets]]\n[[datasets.subsets]]\nimage_dir = 'sets'\n";

        Files.writeString(folder.resolve("d.toml"), subset);
        assertThat(spec(null, options).at("/training/adapter/textEncoder").asBoolean())
                .isTrue();
        Files.writeString(folder.resolve("d.toml"), subset + "metadata_file = 'sets/metadata.json'\n");
        assertThat(spec(null, options).at("/training/adapter/textEncoder").asBoolean())
                .isFalse();
    }

    @Test
    void anEmptyListOfRatesIsNone() throws IOException {
        assertThat(spec("sdxl_train", "learning_rate = 3e-6; block_lr = ''")
                        .at("/training/optimizer/learningRate")
                        .asDouble())
                .isEqualTo(3e-6);
    }

    @Test
    void aRateOfTextEncodersThatAreNotTrainedIsNamed() throws IOException {
        assertThat(Conversions.kohya(
                                "fine_tune.py",
                                folder,
                                "train_data_dir = 'sets/3_tin robot'; learning_rate_te = 1e-6; max_grad_norm = 0")
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
    @CsvSource(
            delimiter = '|',
            value = {
                "optimizer_type = 'AdamW' | true",
                "optimizer_type = 'Adafactor'; optimizer_args = ['relative_step=False', 'scale_parameter=False'] | true",
                "optimizer_type = 'Adafactor'; optimizer_args = ['relative_step=False', 'scale_parameter=False']; fused_backward_pass = true | false"
            })
    void weightsThatAreRoundedOtherwiseAreNamed(String options, boolean other) throws IOException {
        String warnings = toml(
                        "sdxl_train", "max_grad_norm = 0; mixed_precision = 'bf16'; full_bf16 = true; " + options)
                .warnings()
                .toString();

        assertThat(warnings.contains("weights of `full_bf16` are rounded by chance, and not to the nearest"))
                .isEqualTo(other);
        assertThat(warnings).doesNotContain("is taken as sdxl_train.py does");
    }

    @Test
    void halfWeightsCountBeforeThoseInBf16() throws IOException {
        assertThat(toml("sdxl_train", "mixed_precision = 'fp16'; full_fp16 = true; full_bf16 = true")
                        .warnings())
                .contains("without effect: `full_bf16` (full_fp16 counts before it)");
    }

    @Test
    void aFamilyThatIsLeftOpenIsSpokenOfWhereItMatters() throws IOException {
        Files.writeString(folder.resolve("sets/metadata.json"), "{}");

        assertThat(toml(
                                null,
                                "train_text_encoder = true; in_json = 'sets/metadata.json'; mixed_precision = 'bf16'; full_bf16 = true")
                        .warnings())
                .anySatisfy(warning -> assertThat(warning).startsWith("`full_bf16` is taken as sdxl_train.py does"));
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
                "pretrained_model_name_or_path = '%s'\nresolution = 512\ntrain_data_dir = 'sets'\n".formatted(base)
                        + (form.isEmpty() ? "" : "save_model_as = '%s'".formatted(form)));

        assertThat(Conversion.convert("train_db", file, new Places(folder, folder))
                        .training()
                        .at("/spec/output/formats")
                        .toString())
                .isEqualTo("[\"" + written + "\"]");
    }

    @Test
    void whatGradientsAreClippedToIsLeftOutOfWholeModels() throws IOException {
        assertThat(toml("train_db", "max_grad_norm = 0.5").warnings())
                .contains(
                        "done in another way here: `max_grad_norm` 0.5 is left out, because weights move before all gradients are there");
        assertThat(toml("train_db", "max_grad_norm = 0").warnings()).isEmpty();
    }
}
