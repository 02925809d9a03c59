package training.lora.trainer.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Sentences on a configuration of kohya's name the options that stand in it. */
class KohyaNamesTest {
    private static final String ADAFACTOR =
            "; optimizer_type = 'Adafactor'; optimizer_args = ['relative_step=False', 'scale_parameter=False']; fused_backward_pass = true";

    @TempDir
    Path folder;

    @BeforeEach
    void files() throws IOException {
        for (String path :
                List.of("sets/3_robot", "far/99999_robot", "tags/1_red, robot", "odd/1_a:b", "one", "other")) {
            Files.createDirectories(folder.resolve(path));
            Files.createFile(folder.resolve(path).resolve("a.png"));
        }
        Files.writeString(folder.resolve("one/metadata.json"), "{}");
        Files.writeString(
                folder.resolve("d.toml"),
                "[[datasets]]\n[[datasets.subsets]]\nimage_dir = 'one'\nclass_tokens = 'robot'\n");
        Files.writeString(
                folder.resolve("two.toml"),
                "[[datasets]]\n[[datasets.subsets]]\nimage_dir = 'one'\n[[datasets]]\nbatch_size = 2\n[[datasets.subsets]]\nimage_dir = 'other'\n");
        Files.writeString(folder.resolve("p.txt"), "a cat --s 5000");
    }

    private Converted toml(String from, String options) throws IOException {
        return Conversions.kohyaSets(from, folder, options);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "train_db | gradient_accumulation_steps = 4 | `gradient_accumulation_steps` must be 1 where a whole model is trained, which keeps no gradients, was 4",
                "sdxl_train | dataset_repeats = 0; dataset_config = 'd.toml' | `dataset_repeats` must be at least 1, was 0",
                "sdxl_train | dataset_repeats = 0; train_data_dir = 'one'; in_json = 'one/metadata.json' | `dataset_repeats` must be at least 1, was 0",
                "train_db | train_batch_size = 'x' | `train_batch_size` must be a number, was \"x\"",
                "train_db | train_batch_size = 1; dataset_config = 'two.toml' | `batch_size` must be the same in all data sets here, was 1 and 2",
                "train_db | train_data_dir = 'odd' | `train_data_dir` must be a path without a colon, or an address, was \"odd/1_a:b\"",
                "train_db | train_data_dir = 'tags' | what pictures without captions are called (NAME of N_NAME, `class_tokens`) must have no comma, < or > in it here, was \"red, robot\" of tags/1_red, robot: it may be the captions of these pictures, in files of their names",
                "train_textual_inversion | token_string = 'robot'; use_lion_optimizer = true | `use_lion_optimizer` must be false where embeddings are trained, by AdamW, AdamW8bit or Prodigy, was true",
                "train_network | use_8bit_adam = true; optimizer_type = 'Lion' | `optimizer_type` must be unset beside `use_8bit_adam`, was \"Lion\"",
                "train_network | use_8bit_adam = true; use_lion_optimizer = true | `use_lion_optimizer` must be unset beside `use_8bit_adam`, was true",
                "train_network | optimizer_type = 'Adafactor' | `optimizer_args.relative_step` can't be unset: Adafactor has a given rate: it must be False"
            })
    void whatIsRefusedIsNamedAsItStandsThere(String from, String options, String sentence) {
        assertThatThrownBy(() -> toml(from, options)).hasMessage(folder.resolve("c.toml") + ": " + sentence);
    }

    @ParameterizedTest
    @CsvSource({"fine_tune", "sdxl_train", "train_db"})
    void stepsOfSeveralBatchesOfAWholeModelAreRefusedByTheirOption(String script) throws IOException {
        String table = script.equals("fine_tune") ? "; train_data_dir = 'one'; in_json = 'one/metadata.json'" : "";

        assertThatThrownBy(() -> toml(script, "gradient_accumulation_steps = 2" + ADAFACTOR + table))
                .hasMessage(
                        "%s: `gradient_accumulation_steps` must be 1 where a whole model is trained, which keeps no gradients, was 2",
                        folder.resolve("c.toml"));
        assertThat(Conversions.problems(toml(script, "gradient_accumulation_steps = 1" + ADAFACTOR + table)
                        .training()))
                .isEmpty();
    }

    /** Whatever the resource's own rules refuse is said with the option before the field. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "train_data_dir = 'far' | `train_data_dir` (spec.datasets[0].repeats)",
                "dataset_config = 'd.toml'; dataset_repeats = 99999 | `dataset_repeats` (spec.datasets[0].repeats)",
                "train_batch_size = 0 | `train_batch_size` (spec.training.batchSize)",
                "network_module = 'lycoris.kohya'; network_args = ['dropout=2'] | `network_args.dropout` (spec.training.adapter.dropout)",
                "network_dropout = 2 | `network_dropout` (spec.training.adapter.dropout)",
                "network_args = ['conv_dim=4', 'conv_alpha=-1'] | `network_args.conv_alpha` (spec.training.adapter.overrides[0].alpha)",
                "network_args = ['loraplus_unet_lr_ratio=-1'] | `network_args.loraplus_unet_lr_ratio` (spec.training.optimizer.loraPlusRatio)",
                "base_weights = 'a.safetensors'; base_weights_multiplier = 99 | `base_weights_multiplier` (spec.baseModel.adapters[0].share)",
                "sample_prompts = 'p.txt' | `sample_prompts` (spec.sampling.steps)",
                "multires_noise_iterations = 6; multires_noise_discount = 7 | `multires_noise_discount` (spec.training.loss.pyramidNoise)",
                "gradient_accumulation_steps = 0 | `gradient_accumulation_steps` (spec.training.gradientAccumulation)"
            })
    void whatTheResourcesRulesRefuseIsSaidWithItsOption(String options, String named) throws IOException {
        Converted converted = toml("train_network", options);

        List<String> problems = Conversions.problems(converted.training());

        assertThat(problems).isNotEmpty();
        assertThat(problems.stream().map(converted::inItsWords).collect(Collectors.joining("; ")))
                .contains(named);
    }

    @Test
    void theEndOfATextEncodersTrainingIsNamedWhereItsRateIsNothing() throws IOException {
        Converted converted =
                toml("train_db", "learning_rate_te = 0; stop_text_encoder_training = 100; max_grad_norm = 0");

        assertThat(converted.warnings())
                .containsExactly("without effect: `stop_text_encoder_training` (text encoders are not trained)");
        assertThat(converted.training().at("/spec/training/adapter/textEncoder").asBoolean(true))
                .isFalse();
        assertThat(converted
                        .training()
                        .at("/spec/training/optimizer/textEncoderStopFraction")
                        .isMissingNode())
                .isTrue();
        assertThat(toml("train_db", "learning_rate_te = 0; max_grad_norm = 0").warnings())
                .isEmpty();
        assertThat(toml("train_db", "learning_rate_te = 0; stop_text_encoder_training = -1; max_grad_norm = 0")
                        .warnings())
                .containsExactly("without effect: `learning_rate_te` (text encoders are not trained)");
    }

    @Test
    void aRateOfTextEncodersThatAnAdapterLeavesOutIsNamed() throws IOException {
        assertThat(toml("train_network", "network_train_unet_only = true; text_encoder_lr = 1e-5")
                        .warnings())
                .contains("without effect: `text_encoder_lr` (text encoders are not trained)");
        assertThat(toml("train_network", "text_encoder_lr = 1e-5").warnings())
                .noneMatch(warning -> warning.contains("text_encoder_lr"));
    }
}
