package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Json;
import training.lora.api.StageResult;
import training.lora.trainer.Goldens;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.tensor.SafeTensors;

/** Several concepts in one training, from captions to metrics. */
class ConceptsRunTest {
    @TempDir
    Path folder;

    private TinyRun tiny;

    @BeforeEach
    void tinyRun() throws IOException {
        tiny = TinyRun.create(folder, "steps: 2, checkpoints: {everySteps: 1}, adapter: {rank: 2}");
        Files.createDirectories(folder.resolve("fruit"));
        for (String end : List.of(".png", ".txt")) {
            Files.move(folder.resolve("data/pear" + end), folder.resolve("fruit/pear" + end));
        }
        Files.writeString(folder.resolve("data/bat.txt"), "a bat by <concept>");
        Files.writeString(tiny.yaml, Files.readString(tiny.yaml).replace("datasets: [{uri: data}]", """
                        datasets:
                          - {uri: data, concept: {trigger: blorp}}
                          - {name: fruit, uri: fruit, concept: {mode: Object, trigger: a}}\
                        """));
    }

    @Test
    void captionsAndFilesHaveTheWordsOfTheirConceptAndPrepareTellsOfKnownOnes() throws IOException {
        assertThat(tiny.run("prepare").code()).isZero();
        assertThat(tiny.run("train").code()).isZero();

        assertThat(PreparedDataset.manifest(tiny.workspace().resolve("dataset")).samples())
                .extracting(Sample::caption)
                .containsExactly("a bat by blorp", "in the style of blorp, an emoji of a crab", "an emoji of a pear");
        try (SafeTensors file = SafeTensors.open(tiny.workspace().resolve("output/tiny.safetensors"))) {
            assertThat(file.metadata()).containsEntry("modelspec.trigger_phrase", "blorp, a");
            assertThat(Json.MAPPER.readTree(file.metadata().get("ss_tag_frequency")))
                    .isEqualTo(Json.MAPPER.readTree("""
                            {"main": {"a bat by blorp": 1, "in the style of blorp": 1, "an emoji of a crab": 1},
                             "fruit": {"an emoji of a pear": 1}}"""));
        }
        StageResult result = Json.MAPPER.readValue(
                tiny.workspace().resolve("results/prepare/result.json").toFile(), StageResult.class);
        assertThat(result.message())
                .isEqualTo("the base model knows \"a\" as a word of its own, whose meaning is trained over;"
                        + " a made-up word starts from none;"
                        + " 1 of 3 captions are longer than 14 tokens (`spec.training.captions.maxTokens`) and lose"
                        + " their ends, such as that of main/crab.png");
    }

    @Test
    void eachConceptIsMeasuredByItsOwnPromptsAndPictures() throws IOException {
        Path clip = Goldens.BUNDLED.resolve("emoji-clip").toAbsolutePath().normalize();
        String[] measured = {
            "--set",
            "evaluation={enabled: true, clip: {uri: \"%s\"}, promptSource: Captions}".formatted(clip),
            "--set",
            "sampling={steps: 1}"
        };

        for (String stage : List.of("prepare", "train", "evaluate")) {
            assertThat(tiny.run(stage, measured).code()).as(stage).isZero();
        }

        JsonNode report = Json.MAPPER.readTree(
                tiny.workspace().resolve("output/evaluation.json").toFile());
        JsonNode concepts = report.get("concepts");
        assertThat(concepts).hasSize(2);
        assertThat(concepts.get(0).get("trigger").asText()).isEqualTo("blorp");
        assertThat(concepts.get(0).get("trainingImages").asInt()).isEqualTo(2);
        assertThat(concepts.get(1).get("trainingImages").asInt()).isEqualTo(1);
        assertThat(concepts.get(0).get("checkpoints")).hasSize(2);
        // Prompts are captions in turn: one of main, one of fruit, the other of main.
        assertThat(concepts.get(0).get("prompts").toString()).isEqualTo("[0,2]");
        double first = styleAlignment(concepts.get(0).get("base"));
        double second = styleAlignment(concepts.get(1).get("base"));
        assertThat(styleAlignment(report.get("base").get("metrics"))).isCloseTo((first + second) / 2, within(1e-4));
        assertThat(first).isNotEqualTo(second);
    }

    private static double styleAlignment(JsonNode metrics) {
        for (JsonNode metric : metrics) {
            if (metric.get("name").asText().equals("styleAlignment")) {
                return metric.get("value").asDouble();
            }
        }
        throw new AssertionError("no style alignment in " + metrics);
    }

    @Test
    void conceptThatNoPromptMeasuresIsRefusedBeforeAnythingIsPrepared() {
        Path clip = Goldens.BUNDLED.resolve("emoji-clip").toAbsolutePath().normalize();

        Ran ended = tiny.run(
                "prepare",
                "--set",
                "evaluation={clip: {uri: \"%s\"}, prompts: [{text: \"<main>, the cat\"}]}".formatted(clip));

        assertThat(ended.code()).isEqualTo(10);
        assertThat(ended.error())
                .contains("`spec.evaluation.prompts` must have a prompt for each concept, but has none for <fruit>");
        assertThat(tiny.workspace().resolve("dataset")).doesNotExist();
    }
}
