package training.lora.trainer.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.trainer.TrainerException;

/** What files have that counts for nothing, stands under other keys or isn't there is said, or read as its tool reads it. */
class UnreadOptionsTest {
    @TempDir
    Path folder;

    @BeforeEach
    void pictures() throws IOException {
        Conversions.kohyaPicture(folder);
    }

    private Converted kohya(String options) throws IOException {
        return Conversions.kohyaSets("train_network", folder, options);
    }

    @ParameterizedTest
    @CsvSource({
        "5, lora_layer_preset, attn-only, Attention",
        "7, lora_layers, attn, Attention",
        "8, lora_layers, attn, Attention FeedForward Convolution",
        "8, layer_filter, attn, Attention"
    })
    void oldKeysOfOneTrainerAreReadUpToTheirVersion(int version, String key, String value, String targets)
            throws IOException {
        ObjectNode file =
                Conversions.least(Tool.OneTrainer).put("__version", version).put("training_method", "LORA");

        JsonNode adapter = Conversions.convert(Tool.OneTrainer, folder, file.put(key, value))
                .training()
                .at("/spec/training/adapter");

        assertThat(adapter.get("targets")).extracting(JsonNode::asText).containsExactly(targets.split(" "));
    }

    @Test
    void flagsOfAiToolkitsPromptsAreNoWordsOfThem() throws IOException {
        ObjectNode file = Conversions.least(Tool.AiToolkit);
        ObjectNode sample = Conversions.options(Tool.AiToolkit, file).putObject("sample");
        sample.put("neg", "grey")
                .put("seed", 1)
                .putArray("prompts")
                .add("an owl --n blurry --d 7 --m 0.8 --w 512")
                .add("a cat");

        Converted converted = Conversions.convert(Tool.AiToolkit, folder, file);

        assertThat(converted.training().at("/spec/sampling/prompts").toString())
                .isEqualTo("[{\"text\":\"an owl\",\"negative\":\"blurry\",\"seed\":7},"
                        + "{\"text\":\"a cat\",\"negative\":\"grey\",\"seed\":1}]");
        assertThat(converted.warnings())
                .anySatisfy(warning -> assertThat(warning).contains("`--m`, `--w` (of prompts;"));
    }

    @ParameterizedTest
    @CsvSource({"画风, training", "Последний ñandú, and", "---, training"})
    void aNameThatLosesLettersIsSaid(String name, String became) throws IOException {
        assertThat(kohya("output_name = '%s'".formatted(name)).warnings())
                .contains("the name \"%s\" became %s, for names have small letters from a to z, digits and hyphens"
                        .formatted(name, became));
        assertThat(kohya("output_name = 'My LoRA'").warnings().toString()).doesNotContain("the name");
    }

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = "Kohya")
    void dataAndModelsThatAreNotHereAreSaid(Tool tool) throws IOException {
        Converted converted =
                Conversions.convert(tool, folder, Conversions.least(tool).deepCopy());

        assertThat(converted.warnings()).anySatisfy(warning -> assertThat(warning)
                .startsWith("not found here, and looked for again where the training runs: "));
    }

    @Test
    void aModelFileAndAFolderThatAreNotHereAreSaidTogether() throws IOException {
        Files.writeString(folder.resolve("d.toml"), "[[datasets]]\n[[datasets.subsets]]\nimage_dir = 'none'\n");
        Path file = Files.writeString(
                folder.resolve("m.toml"),
                "pretrained_model_name_or_path = 'none.safetensors'\nnetwork_dim = 4\nresolution = 512\n");

        Converted converted = Conversion.convert(null, file, folder.resolve("d.toml"), new Places(folder, folder));

        assertThat(converted.warnings())
                .contains(
                        "not found here, and looked for again where the training runs: `pretrained_model_name_or_path` none.safetensors, `image_dir` none");
    }

    @ParameterizedTest
    @CsvSource({
        "'[general_args.args]', is of LoRA_Easy_Training_Scripts",
        "'max_resolution = \"512,512\"', is a preset of kohya_ss",
        "'LoRA_type = \"Standard\"', is a preset of kohya_ss"
    })
    void filesOfOtherProgramsAroundKohyasScriptsAreCalledByName(String first, String sentence) throws IOException {
        Path file = Files.writeString(folder.resolve("c.toml"), first + "\npretrained_model_name_or_path = 'a/b'\n");

        assertThatThrownBy(() -> Conversion.convert(Tool.Kohya, file, new Places(folder, folder)))
                .isInstanceOf(TrainerException.class)
                .hasMessageContaining(file + " " + sentence);
    }

    @Test
    void aModifierThatTurnsTokensOffIsNamed() throws IOException {
        ObjectNode file = Conversions.least(Tool.Eden).put("prompt_modifier", "in the style of {}, oil");

        assertThat(Conversions.convert(Tool.Eden, folder, file).warnings())
                .contains("no tokens are trained, since `prompt_modifier` has no TOK before its {}");
    }

    @Test
    void optionsOfPromptsWithoutEffectAreSaid() throws IOException {
        Files.writeString(
                folder.resolve("p.txt"), "an owl --w 256 --h 256 --ss euler_a --fs 2 --am 1\na cat --w 128 --h 128\n");

        Converted converted = kohya("sample_prompts = 'p.txt'");

        assertThat(converted.warnings())
                .contains("of the prompts' width, height that of the first counts for all")
                .anySatisfy(warning -> assertThat(warning).contains("`--am`, `--fs`, `sample_sampler` (of prompts;"));
    }

    @Test
    void cyclesBesideALeastRateAreSaidToDiffer() throws IOException {
        assertThat(kohya("lr_scheduler = 'cosine_with_min_lr'; lr_scheduler_num_cycles = 4")
                        .warnings())
                .anySatisfy(warning ->
                        assertThat(warning).contains("the rate falls once, whatever `lr_scheduler_num_cycles` is"))
                .noneSatisfy(warning -> assertThat(warning).contains("counts with"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "lr_scheduler = 'cosine_with_restarts'; lr_scheduler_min_lr_ratio = 0.1",
                "lr_scheduler = 'constant'; lr_scheduler_num_cycles = 4",
                "lr_scheduler = 'linear'; lr_scheduler_power = 2",
                "lr_scheduler = 'constant'; lr_warmup_steps = 50"
            })
    void whatAnotherScheduleHasIsSaid(String options) throws IOException {
        String key = options.replaceAll(".*; (\\w+) = .*", "$1");

        assertThat(kohya(options).warnings())
                .anySatisfy(warning ->
                        assertThat(warning).startsWith("without effect: ").contains("`" + key + "`"));
        assertThat(kohya(options.replaceAll(";.*", "")).warnings().toString()).doesNotContain(key);
    }

    @ParameterizedTest
    @CsvSource({
        "train_network, networks.lora, 2e-5, true, ''",
        "sdxl_train_network, networks.lora, 2e-5, true, ''",
        "sdxl_train_network, lycoris.kohya, 2e-5, true, ''",
        "'', networks.lora, 2e-5, true, ''",
        "'', networks.lora, 0.00001, false, ''",
        "train_network, networks.loha, 2e-5, true, ''",
        "sdxl_train_network, networks.loha, 2e-5, false, refused",
        "sdxl_train_network, networks.lokr, 0.00001, false, ''"
    })
    void ofSeveralRatesTheFirstCountsWhereItDoesThere(
            String script, String module, String second, boolean told, String refused) throws IOException {
        String options = "network_module = '%s'; text_encoder_lr = [1e-5, %s]".formatted(module, second);
        @Nullable String from = script.isEmpty() ? null : script;

        if (!refused.isEmpty()) {
            assertThatThrownBy(() -> Conversions.kohyaSets(from, folder, options))
                    .hasMessageContaining("`text_encoder_lr` can't be [")
                    .hasMessageContaining(": text encoders have one rate");
            return;
        }
        Converted converted = Conversions.kohyaSets(from, folder, options);
        assertThat(converted
                        .training()
                        .at("/spec/training/optimizer/textEncoderLearningRate")
                        .asDouble())
                .isEqualTo(1e-5);
        assertThat(converted.warnings().contains("of the rates of `text_encoder_lr` the first counts, as there"))
                .isEqualTo(told);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "learning_rate = 0; unet_lr = 1e-4 | learning_rate",
                "text_encoder_lr = 0; unet_lr = 1e-4 | text_encoder_lr",
                "text_encoder_lr = [0, 1e-5]; unet_lr = 1e-4 | text_encoder_lr"
            })
    void withoutARateTextEncodersStayAsTheyAre(String options, String key) throws IOException {
        Converted converted = Conversions.kohyaSets("sdxl_train_network", folder, options);

        assertThat(Conversions.problems(converted.training())).isEmpty();
        assertThat(converted.training().at("/spec/training/adapter/textEncoder").asBoolean(true))
                .isFalse();
        assertThat(converted.origins()).containsEntry("spec.training.adapter.textEncoder", key);
        assertThat(converted.training().at("/spec/training/optimizer").has("textEncoderLearningRate"))
                .isFalse();
    }

    @Test
    void switchesOfLycorisThatAreOffAreNotWorthAWord() throws IOException {
        String lycoris = "network_module = 'lycoris.kohya'";

        assertThat(kohya(
                                lycoris
                                        + "; network_args = ['bypass_mode=False', 'rank_dropout_scale=False', 'full_matrix=False']; noise_offset_type = 'Original'")
                        .warnings())
                .isEqualTo(kohya(lycoris).warnings());
    }
}
