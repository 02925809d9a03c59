package training.lora.trainer.convert;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.DatasetSpec;
import training.lora.api.Json;
import training.lora.trainer.dataset.Concepts;

/** OneTrainer's and ai-toolkit's embeddings as new tokens. */
class EmbeddingConfigsTest {
    private static final String ALONE = "\"training_method\": \"EMBEDDING\"";

    @TempDir
    Path folder;

    private Converted convert(Tool tool, String changes) throws IOException {
        Files.createDirectories(folder.resolve("pictures"));
        ObjectNode config = Conversions.least(tool);
        Conversions.json("{" + changes + "}")
                .fields()
                .forEachRemaining(
                        field -> Conversions.set(Conversions.options(tool, config), field.getKey(), field.getValue()));
        Converted converted = Conversions.convert(tool, folder, config);
        assertThat(Conversions.problems(converted.training())).isEmpty();
        return converted;
    }

    private JsonNode training(Tool tool, String changes) throws IOException {
        return convert(tool, changes).training().at("/spec/training");
    }

    private void captions(String place, String... captions) throws IOException {
        Files.createDirectories(folder.resolve(place));
        int i = 0;
        for (String caption : captions) {
            Files.createFile(folder.resolve(place).resolve(i + ".png"));
            Files.writeString(folder.resolve(place).resolve(i++ + ".txt"), caption);
        }
    }

    @Test
    void oneTrainersEmbeddingAloneIsTextualInversionWithItsDefaults() throws IOException {
        Converted converted = convert(Tool.OneTrainer, ALONE);

        JsonNode training = converted.training().at("/spec/training");
        assertThat(training.at("/method").asText()).isEqualTo("TextualInversion");
        assertThat(training.has("adapter")).isFalse();
        assertThat(training.at("/optimizer").toString()).isEqualTo("{\"maxGradientNorm\":1}");
        assertThat(training.at("/tokens").toString())
                .isEqualTo(
                        "{\"count\":1,\"initializer\":\"*\",\"optimizer\":\"AdamW\",\"learningRate\":0.000003,\"weightDecay\":0.01,\"deviationWeight\":0,\"decayPower\":0,\"warmupSteps\":200,\"stopFraction\":1}");
        assertThat(converted.training().at("/spec/datasets/0/concept").toString())
                .isEqualTo("{\"mode\":\"Object\",\"trigger\":\"embedding-emb\"}");
    }

    @Test
    void tokensBesideALoraHaveTheCommonRateWhereTheyHaveNone() throws IOException {
        JsonNode training = training(
                Tool.OneTrainer,
                "\"learning_rate\": 0.0002, \"additional_embeddings.placeholder\": \"shs\", \"additional_embeddings.token_count\": 3, \"additional_embeddings.initial_embedding_text\": \"a cat\"");

        assertThat(training.has("method")).isFalse();
        assertThat(training.at("/adapter/rank").asInt()).isEqualTo(16);
        assertThat(training.at("/tokens/learningRate").asDouble()).isEqualTo(2e-4);
        assertThat(training.at("/tokens/initializer").asText()).isEqualTo("a cat *");
        assertThat(training.at("/tokens/deviationWeight").asDouble(-1)).isZero();
    }

    @Test
    void anEmbeddingThatCountsAloneHasNoEffectBesideALora() throws IOException {
        assertThat(training(Tool.OneTrainer, "\"embedding.token_count\": 5, \"embedding.placeholder\": \"shs\""))
                .isEqualTo(training(Tool.OneTrainer, "\"epochs\": 100"));
    }

    @ParameterizedTest
    @CsvSource({"EPOCH, 25, 0.25", "EPOCH, 200, 1", "STEP, 30, 0.1", "NEVER, 30, 1"})
    void tokensStopAtTheShareOfTheTraining(String unit, int after, double share) throws IOException {
        captions("pictures", "shs", "a shs", "shs, red");

        JsonNode tokens = training(
                        Tool.OneTrainer,
                        ALONE
                                + ", \"embedding.placeholder\": \"shs\", \"gradient_accumulation_steps\": 3, \"embedding.stop_training_after\": %d, \"embedding.stop_training_after_unit\": \"%s\""
                                        .formatted(after, unit))
                .get("tokens");

        // 100 epochs of one step, which is three batches.
        assertThat(tokens.get("stopFraction").asDouble()).isEqualTo(share);
    }

    @Test
    void severalEmbeddingsBelongToTheConceptsWhoseCaptionsHaveThem() throws IOException {
        captions("ann", "a photo of <ann>", "<ann> smiles");
        captions("bob", "<bob>");
        String embeddings =
                "\"additional_embeddings\": [{\"placeholder\": \"<ann>\"}, {\"placeholder\": \"<bob>\"}], \"concepts\": [{\"path\": \"bob\"}, {\"path\": \"ann\"}]";

        JsonNode datasets = convert(Tool.OneTrainer, embeddings).training().at("/spec/datasets");

        assertThat(datasets.findValuesAsText("trigger")).isEqualTo(List.of("bob-emb", "ann-emb"));
        assertThat(datasets.findValuesAsText("name")).isEqualTo(List.of("bob", "ann"));
        captions("both", "<ann> and <bob>");
        assertThatThrownBy(() -> convert(Tool.OneTrainer, embeddings.replace("\"bob\"}", "\"both\"}")))
                .hasMessageContaining(
                        "`concepts.path` must have captions here with one of <ann>, <bob>, since a data set has one trigger, was both with several of them");
        assertThatThrownBy(() -> convert(Tool.OneTrainer, embeddings.replace("\"bob\"}", "\"hf://datasets/a/b\"}")))
                .hasMessageContaining("was hf://datasets/a/b with none of them");
    }

    /** A data set of that name stands for its own trigger. */
    @Test
    void oneOfSeveralEmbeddingsMayBeCalledAsAnyConceptWhereADataSetHasIt() throws IOException {
        captions("own", "a photo of <concept>");
        captions("bob", "<bob>");
        String embeddings =
                "\"additional_embeddings\": [{\"placeholder\": \"<concept>\"}, {\"placeholder\": \"<bob>\"}], \"concepts\": [{\"path\": \"bob\"}, {\"path\": \"own\"}]";

        JsonNode datasets = convert(Tool.OneTrainer, embeddings).training().at("/spec/datasets");

        assertThat(datasets.findValuesAsText("name")).isEqualTo(List.of("bob", "concept"));
        List<DatasetSpec> specs = List.of(
                Json.MAPPER.treeToValue(datasets.get(0), DatasetSpec.class),
                Json.MAPPER.treeToValue(datasets.get(1), DatasetSpec.class));
        assertThat(Concepts.of(specs).caption(specs.get(1), "a photo of <concept>"))
                .isEqualTo("a photo of concept-emb");
        assertThatThrownBy(() -> convert(Tool.OneTrainer, embeddings.replace(", {\"path\": \"own\"}", "")))
                .hasMessageContaining(
                        "`additional_embeddings.placeholder` must be in the captions of a concept where it is <concept> beside others, for elsewhere that stands for any concept here");
    }

    @Test
    void captionsWithoutThePlaceholderAreSpokenOf() throws IOException {
        captions("pictures", "a <embedding>", "a thing");

        assertThat(convert(Tool.OneTrainer, ALONE).warnings())
                .contains("captions without <embedding> get it in front of them, which there they don't");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "<embedding> | ; ",
                "a photo of <embedding> | a photo of ;",
                "<embedding> by night | ; by night",
                "see <embedding>, red | see ;, red"
            })
    void whatStandsAroundThePlaceholderStandsAroundTheTrigger(String line, String around) throws IOException {
        Files.writeString(folder.resolve("prompt.txt"), line);
        String concept = "\"concepts.text.prompt_source\": \"concept\", \"concepts.text.prompt_path\": \"prompt.txt\"";

        JsonNode captions =
                convert(Tool.OneTrainer, ALONE + ", " + concept).training().at("/spec/preparation/captions");

        assertThat((captions.path("prefix").asText() + ";"
                                + captions.path("suffix").asText())
                        .strip())
                .isEqualTo(around.strip());
        assertThat(captions.get("source").asText()).isEqualTo("None");
        for (String wrong : List.of("a thing", "<embedding> and <embedding>")) {
            Files.writeString(folder.resolve("prompt.txt"), wrong);
            assertThatThrownBy(() -> convert(Tool.OneTrainer, ALONE + ", " + concept))
                    .hasMessageContaining(
                            "`concepts.text.prompt_path` must name a file whose line has <embedding> in it once");
        }
    }

    @Test
    void oneLineForAllPicturesTellsTheEmbeddingWhateverCaptionsSay() throws IOException {
        captions("pictures", "<ann>", "a thing");
        Files.writeString(folder.resolve("prompt.txt"), "a photo of <bob>");

        Converted converted = convert(
                Tool.OneTrainer,
                "\"additional_embeddings\": [{\"placeholder\": \"<ann>\"}, {\"placeholder\": \"<bob>\"}], \"concepts.text.prompt_source\": \"concept\", \"concepts.text.prompt_path\": \"prompt.txt\"");

        assertThat(converted.training().at("/spec/datasets/0/concept/trigger").asText())
                .isEqualTo("bob-emb");
        assertThat(converted
                        .training()
                        .at("/spec/preparation/captions/prefix")
                        .asText()
                        .strip())
                .isEqualTo("a photo of");
        assertThat(converted.warnings()).noneMatch(warning -> warning.startsWith("captions without"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "OneTrainer | \"optimizer.beta1\": 0.8 | `optimizer.beta1` 0.8 has no effect on new tokens, which have beta1 0.9 always",
                "OneTrainer | \"optimizer.optimizer\": \"PRODIGY\", \"learning_rate\": 1, \"optimizer.d_coef\": 2 | `optimizer.d_coef` 2.0 has no effect on new tokens, which have d_coef 1.0 always",
                "AiToolkit | \"embedding.tokens\": 2, \"train.optimizer_params.betas\": [0.9, 0.99] | `train.optimizer_params.betas` 0.99 has no effect on new tokens, which have beta2 0.999 always",
                "AiToolkit | \"embedding.trigger_class_name\": \"dog\", \"train.inverted_mask_prior\": true, \"datasets.alpha_mask\": true | `embedding.trigger_class_name` is left out: what train.inverted_mask_prior keeps"
            })
    void whatHasNoEffectOnTokensIsSpokenOf(Tool tool, String changes, String sentence) throws IOException {
        String all = tool == Tool.OneTrainer ? ALONE + ", " + changes : changes;

        assertThat(convert(tool, all).warnings())
                .filteredOn(warning -> warning.contains(sentence))
                .hasSize(1);
    }

    @Test
    void constantsOfTheirOptimizerThatTokensHaveAreNotSpokenOf() throws IOException {
        assertThat(convert(
                                Tool.OneTrainer,
                                ALONE + ", \"optimizer.beta1\": 0.9, \"optimizer.growth_rate\": \"Infinity\"")
                        .warnings())
                .noneMatch(warning -> warning.contains("new tokens"));
    }

    @ParameterizedTest
    @CsvSource({"a red cat, 2, a red cat", "a red cat, 4, a red cat *", "cat, 1, cat", "*, 3, *"})
    void asManyFillersStandBehindTheWordsAsAreMissing(String words, int count, String expected) throws IOException {
        assertThat(training(
                                Tool.AiToolkit,
                                "\"embedding.init_words\": \"%s\", \"embedding.tokens\": %d".formatted(words, count))
                        .at("/tokens/initializer")
                        .asText())
                .isEqualTo(expected);
    }

    @Test
    void regularizationPicturesNeedNoTrigger() throws IOException {
        captions("plain", "a shoe");

        JsonNode datasets = convert(
                        Tool.AiToolkit,
                        "\"embedding.trigger\": \"shs\", \"datasets\": [{\"folder_path\": \"pictures\"}, {\"folder_path\": \"plain\", \"is_reg\": true, \"trigger_word\": \"shoe\"}]")
                .training()
                .at("/spec/datasets");

        assertThat(datasets.findValuesAsText("trigger")).containsExactly("shs");
    }

    @Test
    void anEmbeddingOfAiToolkitIsTokensAloneOrBesideItsNetwork() throws IOException {
        String embedding = "\"embedding.init_words\": \"cat\", \"train.lr\": 0.0004";

        Converted beside = convert(Tool.AiToolkit, embedding);
        Converted converted = convert(
                Tool.AiToolkit,
                embedding
                        + ", \"network\": null, \"embedding.trigger\": \"shs\", \"trigger_word\": \"shs\", \"sample.network_multiplier\": 0.5, \"sample.prompts\": [\"[trigger]\"], \"train.optimizer\": \"prodigy\", \"train.embedding_lr\": 1");
        JsonNode alone = converted.training().at("/spec/training");

        assertThat(beside.training().at("/spec/training/tokens").toString())
                .isEqualTo(
                        "{\"count\":4,\"initializer\":\"cat * * *\",\"optimizer\":\"AdamW\",\"learningRate\":0.0004,\"weightDecay\":0.01,\"deviationWeight\":0,\"decayPower\":0,\"stopFraction\":1}");
        assertThat(beside.training().at("/spec/training/adapter/rank").asInt()).isEqualTo(16);
        assertThat(beside.training().at("/spec/datasets/0/concept/trigger").asText())
                .isEqualTo("custom_embedding");
        assertThat(alone.at("/method").asText()).isEqualTo("TextualInversion");
        assertThat(alone.has("adapter")).isFalse();
        assertThat(alone.at("/tokens/optimizer").asText()).isEqualTo("Prodigy");
        assertThat(alone.at("/tokens/learningRate").asDouble()).isEqualTo(1);
        JsonNode sampling = converted.training().at("/spec/sampling");
        assertThat(sampling.get("prompts").toString())
                .isEqualTo("[{\"text\":\"<concept>\",\"negative\":\"\",\"seed\":0}]");
        assertThat(sampling.has("strength")).isFalse();
        assertThat(converted.warnings()).anyMatch(warning -> warning.contains("`sample.network_multiplier`"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "OneTrainer | \"embedding.train\": false | `embedding.train` must be true with training_method EMBEDDING, was false",
                "OneTrainer | \"embedding.model_name\": \"a.safetensors\" | `embedding.model_name` must be unset: tokens begin as words",
                "OneTrainer | \"embedding.is_output_embedding\": true | `embedding.is_output_embedding` must be false",
                "OneTrainer | \"embedding.token_count\": null | `embedding.token_count` must be a whole number",
                "OneTrainer | \"embedding.token_count\": 0 | `embedding.token_count` must be at least 1, was 0",
                "OneTrainer | \"embedding.stop_training_after_unit\": \"MINUTE\", \"embedding.stop_training_after\": 3 | `embedding.stop_training_after_unit` must be NEVER, EPOCH or STEP, was \"MINUTE\"",
                "OneTrainer | \"embedding.stop_training_after_unit\": \"EPOCH\", \"embedding.stop_training_after\": 0 | `embedding.stop_training_after` must be at least 1, was 0",
                "OneTrainer | \"embedding.placeholder\": \"<My Tok>\" | `embedding.placeholder` must have small letters, digits and hyphens alone between < and >",
                "OneTrainer | \"concepts.path\": \"hf://datasets/a/b\", \"embedding.stop_training_after_unit\": \"STEP\", \"embedding.stop_training_after\": 3 | must be NEVER or EPOCH where the pictures can't be counted",
                "OneTrainer | \"learning_rate_scheduler\": \"COSINE\" | `learning_rate_scheduler` must be CONSTANT or LINEAR where embeddings are trained, was \"COSINE\"",
                "OneTrainer | \"learning_rate_scheduler\": \"LINEAR\", \"learning_rate_min_factor\": 0.1 | `learning_rate_min_factor` must be 0 where embeddings are trained, was 0.1",
                "OneTrainer | \"optimizer.optimizer\": \"LION\" | `optimizer.optimizer` must be AdamW, AdamW8bit or Prodigy where embeddings are trained, was \"LION\"",
                "OneTrainer | \"additional_embeddings.placeholder\": \"<embedding>\" | `additional_embeddings.placeholder` must be another than those of other embeddings",
                "OneTrainer | \"model_type\": \"STABLE_DIFFUSION_XL_10_BASE\", \"text_encoder_2.train_embedding\": false | `text_encoder_2.train_embedding` must be true where embeddings are trained, of which both text encoders learn, was false",
                "OneTrainer | \"training_method\": \"FINE_TUNE\", \"additional_embeddings.placeholder\": \"shs\" | `additional_embeddings` must be empty with training_method FINE_TUNE, was",
                "AiToolkit | \"embedding.tokens\": 0 | `embedding.tokens` must be at least 1, was 0",
                "AiToolkit | \"embedding.tokens\": 1, \"trigger_word\": \"shs\" | `trigger_word` must be that of the embedding, custom_embedding, or unset, was shs",
                "AiToolkit | \"embedding.tokens\": 1, \"datasets.default_caption\": \"shs\" | `datasets.default_caption` must be unset where an embedding is trained",
                "AiToolkit | \"embedding.tokens\": 1, \"train.lr_scheduler\": \"cosine\" | `train.lr_scheduler` must be constant or constant_with_warmup where an embedding is trained, was \"cosine\"",
                "AiToolkit | \"embedding.tokens\": 1, \"train.optimizer\": \"lion\" | `train.optimizer` must be AdamW, AdamW8bit or Prodigy where embeddings are trained, was \"lion\"",
                "AiToolkit | \"embedding.tokens\": 1, \"train.lr\": 1, \"train.embedding_lr\": 0.01, \"train.optimizer\": \"prodigy\" | `train.embedding_lr` must be at least 0.1 with Prodigy where an embedding is trained, whose rate is multiplied by it, was 0.01",
                "AiToolkit | \"embedding.tokens\": 32, \"embedding.init_words\": \"a rather long description of a pair of shiny red shoes for children\" | `embedding.init_words` must be at most 100 characters with the 19 fillers behind it that 32 tokens need",
                "AiToolkit | \"network\": null | `network` or `embedding` must be given"
            })
    void whatHasNoPlaceIsRefusedWithOptionAndValue(Tool tool, String changes, String sentence) {
        String all = tool == Tool.OneTrainer ? ALONE + ", " + changes : changes;

        assertThatThrownBy(() -> convert(tool, all)).hasMessageContaining(sentence);
    }

    @Test
    void whatDiffersBetweenEmbeddingsIsRefused() {
        assertThatThrownBy(
                        () -> convert(
                                Tool.OneTrainer,
                                ALONE
                                        + ", \"embedding.token_count\": 2, \"additional_embeddings.placeholder\": \"shs\", \"concepts.path\": \"pictures\""))
                .hasMessageContaining("since a data set has one trigger");
        assertThatThrownBy(() -> {
                    captions("pictures", "shs");
                    convert(
                            Tool.OneTrainer,
                            ALONE + ", \"embedding.token_count\": 2, \"additional_embeddings.placeholder\": \"shs\"");
                })
                .hasMessageContaining(
                        "`additional_embeddings.token_count` must be the same in all embeddings here, was 2 and 1");
    }
}
