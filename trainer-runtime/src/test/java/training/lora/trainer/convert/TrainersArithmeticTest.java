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

/** What OneTrainer and ai-toolkit count and name in another way than this trainer. */
class TrainersArithmeticTest {
    @TempDir
    Path folder;

    private JsonNode of(Tool tool, String changes) throws IOException {
        return converted(tool, changes).training().get("spec");
    }

    private Converted converted(Tool tool, String changes) throws IOException {
        Files.createDirectories(folder.resolve("pictures"));
        ObjectNode config = Conversions.least(tool);
        JsonNode all = Conversions.json(changes);
        all.fields()
                .forEachRemaining(
                        field -> Conversions.set(Conversions.options(tool, config), field.getKey(), field.getValue()));
        return Conversions.convert(tool, folder, config);
    }

    /** Places 101 to 798 of 999, 998, ... are drawn there, or the one. */
    @ParameterizedTest
    @CsvSource({"100, 800, 201, 898", "0, 800, 201, -1", "100, 999, -1, 898", "0, 999, -1, -1", "300, 300, 699, 699"})
    void aiToolkitsDenoisingStepsCountFromTheStrongestNoise(int min, int max, int least, int greatest)
            throws IOException {
        JsonNode loss = of(
                        Tool.AiToolkit,
                        "{\"train.min_denoising_steps\": %d, \"train.max_denoising_steps\": %d}".formatted(min, max))
                .at("/training/loss");

        assertThat(loss.path("minimumTimestep").asInt(-1)).isEqualTo(least);
        assertThat(loss.path("maximumTimestep").asInt(-1)).isEqualTo(greatest);
    }

    @Test
    void fewerThanThreePlacesBetweenDenoisingStepsAreRefused() {
        assertThatThrownBy(() ->
                        of(Tool.AiToolkit, "{\"train.min_denoising_steps\": 100, \"train.max_denoising_steps\": 102}"))
                .hasMessageContaining(
                        "`train.max_denoising_steps` must leave 3 places between the two, or none, was 102");
    }

    @Test
    void aiToolkitsCosineWithRestartsHasOneCycle() throws IOException {
        assertThat(of(Tool.AiToolkit, "{\"train.lr_scheduler\": \"cosine_with_restarts\"}")
                        .at("/training/optimizer/schedule")
                        .toString())
                .isEqualTo("{\"type\":\"CosineRestarts\",\"cycles\":1}");
    }

    @Test
    void aLoKrOfFullRankAdaptsConvolutionsToo() throws IOException {
        JsonNode adapter = of(Tool.AiToolkit, "{\"network.type\": \"lokr\", \"network.conv\": 4}")
                .at("/training/adapter");

        assertThat(adapter.get("targets").toString()).isEqualTo("[\"Attention\",\"FeedForward\",\"Convolution\"]");
        assertThat(adapter.has("overrides")).isFalse();
        assertThat(of(Tool.AiToolkit, "{\"network.type\": \"lokr\", \"network.lokr_full_rank\": false}")
                        .at("/training/adapter/targets")
                        .toString())
                .isEqualTo("[\"Attention\",\"FeedForward\"]");
    }

    @Test
    void nameInAiToolkitsFileIsTheName() throws IOException {
        assertThat(of(Tool.AiToolkit, "{\"sample.prompts\": [\"[name] by [trigger]\"], \"trigger_word\": \"shs\"}")
                        .at("/sampling/prompts/0/text")
                        .asText())
                .isEqualTo("least by <concept>");
    }

    @ParameterizedTest
    @CsvSource({"[trigger]", "[name]"})
    void captionsWithPlaceholdersAreRefused(String placeholder) throws IOException {
        Files.createDirectories(folder.resolve("pictures"));
        Files.createFile(folder.resolve("pictures/a.png"));
        Files.writeString(folder.resolve("pictures/a.txt"), "a photo of " + placeholder);

        assertThatThrownBy(() -> of(Tool.AiToolkit, "{\"trigger_word\": \"shs\"}"))
                .hasMessageContaining("`datasets.folder_path` must have captions without [trigger] and [name]")
                .hasMessageEndingWith("was pictures with one in a.txt");
    }

    @Test
    void captionsThatCantBeReadAreSpokenOf() throws IOException {
        String elsewhere = "{\"datasets.folder_path\": \"hf://datasets/a/b\"}";

        assertThat(converted(Tool.AiToolkit, elsewhere).warnings())
                .anySatisfy(warning -> assertThat(warning).contains("[trigger]"));
        assertThat(converted(Tool.AiToolkit, "{}").warnings())
                .noneSatisfy(warning -> assertThat(warning).contains("[trigger]"));
    }

    @Test
    void whatTheUnadaptedModelPredictsIsKept() throws IOException {
        String asked = "{\"train.blank_prompt_preservation\": true, \"train.inverted_mask_prior\": true%s}";

        assertThat(of(Tool.AiToolkit, asked.formatted(", \"datasets.alpha_mask\": true"))
                        .at("/training/loss/preservation")
                        .toString())
                .isEqualTo("{\"emptyPrompt\":1,\"outsideMask\":0.5}");
        assertThat(of(Tool.AiToolkit, asked.formatted(""))
                        .at("/training/loss/preservation")
                        .toString())
                .isEqualTo("{\"emptyPrompt\":1}");
    }

    @Test
    void oneTrainersStepsAreBatches() throws IOException {
        JsonNode training = of(
                        Tool.OneTrainer,
                        "{\"gradient_accumulation_steps\": 4, \"learning_rate_warmup_steps\": 203, \"save_every\": 101, \"save_every_unit\": \"STEP\"}")
                .get("training");

        assertThat(training.at("/optimizer/schedule/warmupSteps").asInt()).isEqualTo(50);
        assertThat(training.at("/checkpoints/everySteps").asInt()).isEqualTo(26);
    }

    @ParameterizedTest
    @CsvSource({"null, 1E+9", "0, 1E+9", "2, 2"})
    void oneTrainersNullIsNoClipping(String given, double norm) throws IOException {
        JsonNode with = of(Tool.OneTrainer, "{\"clip_grad_norm\": %s}".formatted(given));
        JsonNode without = of(Tool.OneTrainer, "{}");

        assertThat(with.at("/training/optimizer/maxGradientNorm").asDouble()).isEqualTo(norm);
        assertThat(without.at("/training/optimizer/maxGradientNorm").asDouble()).isEqualTo(1);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "AiToolkit | train.optimizer | train.optimizer_params",
                "OneTrainer | optimizer.optimizer | optimizer",
                "Kohya | optimizer_type | optimizer_args"
            })
    void prodigysCorrectionsAreSpokenOfWhereTheyAreOff(Tool tool, String key, String group) throws IOException {
        Files.createDirectories(folder.resolve("plain/1_robot"));
        String off = "{\"%s\": \"prodigy\", \"%s.use_bias_correction\": true}".formatted(key, group);
        String on = off.replace("}", ", \"%s.safeguard_warmup\": true}".formatted(group));
        String note = "Prodigy is as with `%s.use_bias_correction`".formatted(group);

        assertThat(converted(tool, off).warnings())
                .anySatisfy(warning -> assertThat(warning).startsWith(note));
        assertThat(converted(tool, on).warnings())
                .noneSatisfy(warning -> assertThat(warning).startsWith(note));
        assertThat(converted(tool, "{}").warnings())
                .noneSatisfy(warning -> assertThat(warning).startsWith(note));
    }
}
