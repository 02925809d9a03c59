package training.lora.trainer.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

class EdenConfigTest {
    @TempDir
    Path folder;

    @ParameterizedTest
    @ValueSource(strings = {"object", "style", "face"})
    void aConfigurationBecomesTheTrainingThatIsKept(String name) throws IOException {
        Path file = Conversions.CONFIGS.resolve("eden/" + name + ".json");
        Path here = Conversions.CONFIGS.toAbsolutePath();

        Converted converted = Conversion.convert(Tool.Eden, file, new Places(here, here));

        assertThat(Conversion.recognise(file)).isEqualTo(Tool.Eden);
        assertThat(Conversions.problems(converted.training())).isEmpty();
        Kept.requireSame(converted, "eden/" + name + ".yaml");
    }

    @Test
    void laxTypesAndNullsMeanWhatTheyDoThere() throws IOException {
        ObjectNode lax = Conversions.least(Tool.Eden);
        lax.put("use_dora", "true")
                .put("max_train_steps", "120")
                .put("train_batch_size", 2.0)
                .put("unet_lr", "1e-4");
        lax.putNull("name").putNull("unet_lr_warmup_steps").putNull("seed").putNull("validation_img_size");
        ObjectNode strict = Conversions.least(Tool.Eden);
        strict.put("use_dora", true)
                .put("max_train_steps", 120)
                .put("train_batch_size", 2)
                .put("unet_lr", 0.0001);

        Converted converted = Conversions.convert(Tool.Eden, folder, lax);

        assertThat(converted.training())
                .isEqualTo(Conversions.convert(Tool.Eden, folder, strict).training());
        assertThat(converted.training().at("/spec/training/steps").intValue()).isEqualTo(120);
    }

    @ParameterizedTest
    @CsvSource({
        "https://example.org/banny.zip, banny",
        "https://example.org/some/a.tar?sig=x.y, a",
        "pictures/my.robot/, my-robot",
        "https://example.org/abcdefghijabcdefghijabcdefghijabcdefghijabc.zip, abcdefghijabcdefghijabcdefghijabcdefghij"
    })
    void withoutANameTheFirstPlaceGivesIt(String place, String name) throws IOException {
        ObjectNode config = Conversions.least(Tool.Eden).put("lora_training_urls", place);

        assertThat(Conversions.convert(Tool.Eden, folder, config)
                        .training()
                        .at("/metadata/name")
                        .asText())
                .isEqualTo(name);
    }

    @Test
    void unknownKeysAreNamedInOneWarning() throws IOException {
        ObjectNode config = Conversions.least(Tool.Eden);
        config.put("lora_ranc", 8).put("shiny", true);

        assertThat(Conversions.convert(Tool.Eden, folder, config).warnings())
                .contains("unknown, and so without effect: `lora_ranc`, `shiny`");
    }

    @Test
    void pathsBeginWhereTheToolWouldHaveBeenStarted() throws IOException {
        ObjectNode config = Conversions.least(Tool.Eden);
        config.put("lora_training_urls", "sets/mine|/data/more | https://example.org/a.zip?sig=x");
        config.put("ckpt_path", "models/base.safetensors");
        Path file = Files.writeString(folder.resolve("config.json"), config.toString());
        Path from = folder.resolve("work");

        JsonNode spec = Conversion.convert(Tool.Eden, file, new Places(from, folder.resolve("out")))
                .training()
                .get("spec");

        assertThat(spec.at("/baseModel/uri").asText()).isEqualTo("../work/models/base.safetensors");
        assertThat(spec.at("/datasets").findValuesAsText("uri"))
                .containsExactly("../work/sets/mine", "/data/more", "https://example.org/a.zip?sig=x");
        assertThat(spec.at("/datasets").findValuesAsText("name")).containsExactly("main", "main-2", "main-3");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "max_train_steps | \"many\" | `max_train_steps` must be a number, was \"many\"",
                "max_train_steps | 1.5 | `max_train_steps` must be a whole number, was 1.5",
                "max_train_steps | 0 | `max_train_steps` must be at least 1, was 0",
                "use_dora | \"perhaps\" | `use_dora` must be true or false, was \"perhaps\"",
                "concept_mode | \"thing\" | `concept_mode` must be one of face, style, object, was \"thing\"",
                "sd_model_version | \"flux\" | `sd_model_version` must be one of sdxl, sd15, was \"flux\"",
                "seed | -1 | `seed` must be a whole number of 0 or more, was -1",
                "lora_training_urls | null | `lora_training_urls` must be given, was unset",
                "ckpt_path | \"C:/base\" | `ckpt_path` must be a path without a colon, or an address, was \"C:/base\"",
                "sd_model_version | null | `ckpt_path` must be given where `sd_model_version` is not, was unset"
            })
    void whatIsWrongIsSaidWithFileKeyAndValue(String key, String value, String sentence) throws IOException {
        ObjectNode config = Conversions.least(Tool.Eden);
        config.set(key, Conversions.json(value));

        assertThatThrownBy(() -> Conversions.convert(Tool.Eden, folder, config))
                .isInstanceOfSatisfying(
                        TrainerException.class, e -> assertThat(e.reason()).isEqualTo(Reason.InvalidConfiguration))
                .hasMessage(folder.resolve("config.json") + ": " + sentence);
    }

    @Test
    void withoutCaptionsNoneAreRead() throws IOException {
        Path pictures = Files.createDirectories(folder.resolve("pictures"));
        Files.writeString(pictures.resolve("a.png"), "");
        Files.writeString(pictures.resolve("a.txt"), "a <concept>");
        Files.writeString(pictures.resolve("a.caption"), "a robot");
        Files.writeString(pictures.resolve("metadata.json"), "[");
        ObjectNode config = Conversions.least(Tool.Eden).put("lora_training_urls", "pictures");

        assertThatThrownBy(() -> Conversions.convert(Tool.Eden, folder, config)).isInstanceOf(TrainerException.class);
        assertThat(Conversions.convert(Tool.Eden, folder, config.put("caption_model", "no_caption"))
                        .training()
                        .at("/spec/preparation/captions/source")
                        .asText())
                .isEqualTo("None");
    }

    @Test
    void fullFineTuningIsThatOfTheDenoiserWithEdensDecayAndRise() throws IOException {
        ObjectNode config = Conversions.least(Tool.Eden);
        config.put("is_lora", false)
                .put("disable_ti", true)
                .put("unet_optimizer_type", "AdamW8bit")
                .put("unet_lr", 0.0001)
                .put("max_train_steps", 5000)
                .put("lora_rank", 8)
                .put("l1_penalty", 0.03)
                .put("sample_imgs_lora_scale", 0.7);

        Converted converted = Conversions.convert(Tool.Eden, folder, config);

        JsonNode training = converted.training().at("/spec/training");
        assertThat(training.path("method").asText()).isEqualTo("FullFineTuning");
        assertThat(training.has("adapter")).isFalse();
        assertThat(training.has("tokens")).isFalse();
        assertThat(training.at("/loss/adapterL1").isMissingNode()).isTrue();
        JsonNode optimizer = training.path("optimizer");
        assertThat(optimizer.path("type").asText()).isEqualTo("AdamW8bit");
        assertThat(optimizer.path("learningRate").asDouble()).isEqualTo(1e-4);
        assertThat(optimizer.path("weightDecay").asDouble()).isEqualTo(0.004);
        assertThat(optimizer.has("maxGradientNorm")).isFalse();
        assertThat(optimizer.at("/schedule/warmupSteps").asInt()).isEqualTo(5000);
        assertThat(optimizer.at("/schedule/warmupFrom").asDouble()).isEqualTo(1e-5);
        assertThat(Conversions.problems(converted.training())).isEmpty();
        assertThat(converted.warnings())
                .anySatisfy(
                        warning -> assertThat(warning)
                                .contains(
                                        "`sample_imgs_lora_scale`",
                                        "`lora_rank`, `l1_penalty` (there is no adapter with is_lora false, nor with unet_lr 0 where tokens are trained)"));
        config.put("use_dora", true);
        assertThat(Conversions.convert(Tool.Eden, folder, config)
                        .training()
                        .at("/spec/training/optimizer/weightDecay")
                        .asDouble())
                .isZero();
    }

    @Test
    void fullFineTuningNeedsNoMoreWhereThePrefixLeavesNoTokens() throws IOException {
        ObjectNode config = Conversions.least(Tool.Eden).put("is_lora", false).put("caption_prefix", "a robot, ");

        assertThat(Conversions.convert(Tool.Eden, folder, config)
                        .training()
                        .at("/spec/training/method")
                        .asText())
                .isEqualTo("FullFineTuning");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{} | `disable_ti` must be true where `is_lora` is false, for full fine-tuning trains no tokens beside it, was unset",
                "{\"disable_ti\": true, \"text_encoder_lora_optimizer\": \"adamw\"} | `text_encoder_lora_optimizer` must be unset where `is_lora` is false",
                "{\"disable_ti\": true, \"unet_lr\": 0} | `unet_lr` can't be 0: without tokens nothing would be trained"
            })
    void fullFineTuningIsRefusedWithWhatItTrainsNothingOf(String fields, String sentence) throws IOException {
        ObjectNode config = Conversions.least(Tool.Eden).put("is_lora", false);
        config.setAll((ObjectNode) Conversions.json(fields));

        assertThatThrownBy(() -> Conversions.convert(Tool.Eden, folder, config)).hasMessageContaining(sentence);
    }

    @Test
    void aSyntaxErrorIsNamedWithFileAndLine() throws IOException {
        Path file = Files.writeString(folder.resolve("args.json"), "{\n \"seed\": 1,\n \"seed\" 2}");

        assertThatThrownBy(() -> Conversion.convert(Tool.Eden, file, new Places(folder, folder)))
                .hasMessageContaining(file + " must be JSON: ")
                .hasMessageContaining("line 3");
    }
}
