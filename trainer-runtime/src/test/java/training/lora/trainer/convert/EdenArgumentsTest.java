package training.lora.trainer.convert;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.Json;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.ModelFamily;

/** What is written as Eden's configuration is read as the training that it was written from. */
class EdenArgumentsTest {
    @TempDir
    Path folder;

    private static LoraTrainingSpec spec(Converted converted) throws IOException {
        return Json.STRICT_YAML.treeToValue(converted.training().get("spec"), LoraTrainingSpec.class);
    }

    @ParameterizedTest
    @ValueSource(strings = {"object", "style", "face"})
    void argumentsOfATrainingThatEdenCouldDoAreReadAsThatTraining(String name) throws IOException {
        Path here = Conversions.CONFIGS.toAbsolutePath();
        Converted first = Conversion.convert(
                Tool.Eden, Conversions.CONFIGS.resolve("eden/" + name + ".json"), new Places(here, here));
        LoraTrainingSpec spec = spec(first);
        ModelFamily family = spec.baseModel().family() == null
                ? ModelFamily.SD15
                : spec.baseModel().family();

        ObjectNode arguments = EdenArguments.of(
                spec,
                first.training().at("/metadata/name").asText(),
                family,
                Objects.requireNonNull(spec.training().steps()));

        // Where the output goes and plots are no part of it.
        ((ObjectNode) first.training().get("spec")).remove(List.of("output", "tracking"));
        Converted again = Conversions.convert(Tool.Eden, folder, arguments);
        ((ObjectNode) again.training().at("/spec/baseModel")).remove("family");
        ((ObjectNode) first.training().at("/spec/baseModel")).remove("family");
        assertThat(again.training().toPrettyString()).isEqualTo(first.training().toPrettyString());
        assertThat(again.warnings()).noneMatch(w -> w.contains("unknown"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "'l1_penalty': 0",
                "'l1_penalty': 0.2",
                "'cond_reg_w': 0.01, 'tok_cond_reg_w': 0.02, 'tok_cov_reg_w': 5",
                "'token_warmup_steps': 12, 'training_attributes': {'gpt_description': 'a tin robot'}",
                "'use_dora': true, 'text_encoder_lora_optimizer': 'adamw', 'text_encoder_lora_rank': 4",
                "'unet_optimizer_type': 'prodigy', 'prodigy_d_coef': 0.8, 'ti_optimizer': 'prodigy'",
                "'disable_ti': true, 'snr_gamma': 0, 'noise_offset': 0.1",
                "'unet_lr': 0, 'freeze_ti_after_completion_f': 1.0",
                "'gradient_accumulation_steps': 2, 'max_train_steps': 40, 'unet_optimizer_type': 'AdamW8bit'"
            })
    void whatItIsSetToIsReadBack(String options) throws IOException {
        ObjectNode config = Conversions.least(Tool.Eden);
        config.setAll((ObjectNode) Conversions.json("{" + options.replace('\'', '"') + "}"));
        Converted first = Conversions.convert(Tool.Eden, folder, config);
        LoraTrainingSpec spec = spec(first);

        ObjectNode arguments = EdenArguments.of(
                spec,
                first.training().at("/metadata/name").asText(),
                Objects.requireNonNullElse(spec.baseModel().family(), ModelFamily.SD15),
                Objects.requireNonNull(spec.training().steps()));

        Converted again = Conversions.convert(Tool.Eden, folder, arguments);
        assertThat(again.training().at("/spec/training").toPrettyString())
                .isEqualTo(first.training().at("/spec/training").toPrettyString());
    }

    @Test
    void ofSeveralWordsEachDataSetHasItsOwnWhateverStandsBeforeCaptions() throws IOException {
        LoraTrainingSpec spec = several("{mode: Object, trigger: robo}", "prefix: \"a photo, \"");

        Converted read = Conversions.convert(Tool.Eden, folder, arguments(spec));

        assertThat(read.training().at("/spec/datasets").toString())
                .isEqualTo(
                        "[{\"name\":\"main\",\"uri\":\"a\",\"concept\":{\"mode\":\"Object\",\"trigger\":\"banny\"}},"
                                + "{\"name\":\"main-2\",\"uri\":\"b\",\"concept\":{\"mode\":\"Object\",\"trigger\":\"robo\"}}]");
        assertThat(read.training().at("/spec/preparation/captions/prefix").asText())
                .isEqualTo("a photo, ");
        assertThat(read.training().at("/spec/training/tokens/count").asInt()).isEqualTo(2);
        assertThat(read.training().at("/spec/sampling/prompts").findValuesAsText("text"))
                .containsExactly("<main>", "<main-2>", "<main> on a wooden table");
        assertThat(read.warnings()).noneMatch(warning -> warning.contains("token_dict"));
        assertThat(Conversions.problems(read.training())).isEmpty();
    }

    @Test
    void wordsThatAreNotOfOneDataSetEachAreTokAndSaid() throws IOException {
        ObjectNode arguments = arguments(several("{mode: Object, trigger: robo}", "prefix: \"\""));

        Converted read = Conversions.convert(Tool.Eden, folder, arguments.put("lora_training_urls", "a|b|c"));

        assertThat(read.training().at("/spec/datasets").findValuesAsText("trigger"))
                .containsExactly("TOK", "TOK", "TOK");
        assertThat(read.warnings())
                .anySatisfy(
                        warning -> assertThat(warning)
                                .contains(
                                        "`token_dict` (its 2 words can't be told apart among data sets, of which there are 3, so that TOK calls all)"));
    }

    /** Eden trains no tokens where what stands before captions doesn't say their word. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "'a photo, ' | 'a photo, TOK, '",
                "'a photo of Banny, ' | 'a photo of TOK, '",
                "'' | ''",
            })
    void whatStandsBeforeCaptionsSaysTheTokensWord(String prefix, String written) throws IOException {
        LoraTrainingSpec spec = several("{mode: Object, trigger: banny}", "prefix: \"" + prefix + "\"");

        ObjectNode arguments = arguments(spec);

        assertThat(arguments.get("caption_prefix").asText()).isEqualTo(written);
        assertThat(Conversions.convert(Tool.Eden, folder, arguments)
                        .training()
                        .at("/spec/datasets")
                        .findValuesAsText("trigger"))
                .containsExactly("TOK", "TOK");
    }

    @Test
    void wordsThatDataSetsShareAreTokInWhatStandsBeforeCaptions() throws IOException {
        LoraTrainingSpec spec = several("{mode: Object, trigger: robo}", "prefix: \"a photo of Robo, \"");
        ObjectNode arguments = EdenArguments.of(withThird(spec), "several", ModelFamily.SD15, 10);

        assertThat(arguments.get("caption_prefix").asText()).isEqualTo("a photo of TOK, ");
        assertThat(Conversions.convert(Tool.Eden, folder, arguments)
                        .training()
                        .at("/spec/datasets")
                        .findValuesAsText("trigger"))
                .containsExactly("TOK", "TOK", "TOK");
    }

    /** With another data set of the first one's word. */
    private static LoraTrainingSpec withThird(LoraTrainingSpec spec) throws IOException {
        ObjectNode tree = Json.MAPPER.valueToTree(spec);
        ObjectNode third = tree.withArray("datasets").get(0).deepCopy();
        tree.withArray("datasets").add(third.put("name", "three").put("uri", "c"));
        return Json.MAPPER.treeToValue(tree, LoraTrainingSpec.class);
    }

    @Test
    void tokensAloneHaveNoAdapterWhoseOptionsCount() throws IOException {
        ObjectNode config = Conversions.least(Tool.Eden).put("unet_lr", 0).put("lora_rank", 8);

        Converted read = Conversions.convert(Tool.Eden, folder, config);

        assertThat(read.training().at("/spec/training/method").asText()).isEqualTo("TextualInversion");
        assertThat(read.training().at("/spec/training/adapter").isMissingNode()).isTrue();
        assertThat(read.warnings()).anySatisfy(warning -> assertThat(warning)
                .contains("there is no adapter with is_lora false, nor with unet_lr 0"));
    }

    private static ObjectNode arguments(LoraTrainingSpec spec) {
        return EdenArguments.of(spec, "several", ModelFamily.SD15, 10);
    }

    /** A training of two data sets, the first of which is of banny, with two tokens for each word. */
    private static LoraTrainingSpec several(String second, String captions) throws IOException {
        return Json.STRICT_YAML.readValue("""
                baseModel: {uri: base}
                datasets:
                - {name: one, uri: a, concept: {mode: Object, trigger: banny}}
                - {name: two, uri: b, concept: %s}
                preparation: {captions: {%s}}
                training: {steps: 10, tokens: {count: 2}}
                sampling: {prompts: [{text: a}, {text: b}, {text: c}]}
                """.formatted(second, captions), LoraTrainingSpec.class);
    }

    @Test
    void tokensOfOneWordAreCalledTokAndThoseOfSeveralByTheirWords() {
        assertThat(EdenArguments.tokenDictionary(List.of("banny"), 3)).hasToString("{\"TOK\":\"<s0><s1><s2>\"}");
        assertThat(EdenArguments.tokenDictionary(List.of("banny", "tinny"), 2))
                .hasToString("{\"banny\":\"<s0><s1>\",\"tinny\":\"<s2><s3>\"}");
    }
}
