package training.lora.trainer.export;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.Json;
import training.lora.api.Prediction;
import training.lora.api.PromptSpec;
import training.lora.trainer.model.basemodel.Schedule;
import training.lora.trainer.model.basemodel.ScheduleBuilder;

class ComfyWorkflowTest {
    /** How many outputs ComfyUI's nodes have. */
    private static final Map<String, Integer> OUTPUTS = Map.of(
            "CheckpointLoaderSimple", 3,
            "LoraLoader", 2,
            "CLIPTextEncode", 1,
            "EmptyLatentImage", 1,
            "KSampler", 1,
            "VAEDecode", 1,
            "SaveImage", 0,
            "ModelSamplingDiscrete", 1);

    /** The inputs that each must have. */
    private static final Map<String, String[]> INPUTS = Map.of(
            "CheckpointLoaderSimple", new String[] {"ckpt_name"},
            "LoraLoader", new String[] {"model", "clip", "lora_name", "strength_model", "strength_clip"},
            "CLIPTextEncode", new String[] {"text", "clip"},
            "EmptyLatentImage", new String[] {"width", "height", "batch_size"},
            "KSampler",
                    new String[] {
                        "model",
                        "seed",
                        "steps",
                        "cfg",
                        "sampler_name",
                        "scheduler",
                        "positive",
                        "negative",
                        "latent_image",
                        "denoise"
                    },
            "VAEDecode", new String[] {"samples", "vae"},
            "SaveImage", new String[] {"images", "filename_prefix"},
            "ModelSamplingDiscrete", new String[] {"model", "sampling", "zsnr"});

    @TempDir
    Path folder;

    private JsonNode workflow(Prediction prediction, boolean zeroTerminalSnr, Schedule.Spacing spacing, String text)
            throws Exception {
        Path file = folder.resolve("workflow.json");
        Schedule schedule = schedule(prediction, zeroTerminalSnr, spacing);
        workflow(text, schedule, List.of(), "banny.safetensors").write(file);
        return Json.MAPPER.readTree(file.toFile());
    }

    private static Schedule schedule(Prediction prediction, boolean zeroTerminalSnr, Schedule.Spacing spacing) {
        return ScheduleBuilder.builder()
                .trainTimesteps(1000)
                .betaStart(0.00085)
                .betaEnd(0.012)
                .betas(Schedule.Betas.ScaledLinear)
                .spacing(spacing)
                .stepsOffset(1)
                .prediction(prediction)
                .zeroTerminalSnr(zeroTerminalSnr)
                .build();
    }

    private static ComfyWorkflow workflow(
            String text, Schedule schedule, List<String> embeddings, @Nullable String lora) {
        return ComfyWorkflowBuilder.builder()
                .baseModel("dream")
                .name("banny")
                .baseAdapters(List.of())
                .embeddings(embeddings)
                .prompt(new PromptSpec(text, "blurry (bad)", 7L))
                .steps(25)
                .guidance(6.5)
                .strength(0.7)
                .resolution(768)
                .schedule(schedule)
                .lora(lora)
                .build();
    }

    @Test
    void embeddingsAreCalledByTheirFilesAndNeedNoLora() {
        Schedule schedule = schedule(Prediction.Epsilon, false, Schedule.Spacing.Leading);

        JsonNode nodes = workflow("Banny, a (zor-bot) by zor's", schedule, List.of("zor", "banny", "zor-bot"), null)
                .json();

        assertThat(nodes.at("/3/inputs/text").asText())
                .isEqualTo("embedding:banny , a \\( embedding:zor-bot \\) by embedding:zor 's");
        assertThat(nodes.has("2")).isFalse();
        assertThat(nodes.at("/6/inputs/model/0").asText()).isEqualTo("1");
        assertThat(nodes.at("/3/inputs/clip/0").asText()).isEqualTo("1");
    }

    @ParameterizedTest
    @ValueSource(strings = {"banny.safetensors", ""})
    void lorasOfTheBaseModelAreLoadedBeforeTheTrainedOne(String lora) {
        Schedule schedule = schedule(Prediction.Epsilon, false, Schedule.Spacing.Leading);
        JsonNode nodes = ComfyWorkflowBuilder.builder(
                        workflow("a hat", schedule, List.of(), lora.isEmpty() ? null : lora))
                .baseAdapters(List.of(
                        new ComfyWorkflow.BaseAdapter("ink.safetensors", 0.5),
                        new ComfyWorkflow.BaseAdapter("cat.safetensors", 1)))
                .build()
                .json();

        assertThat(nodes.at("/10/inputs/lora_name").asText()).isEqualTo("ink.safetensors");
        assertThat(nodes.at("/10/inputs/strength_model").asDouble()).isEqualTo(0.5);
        assertThat(nodes.at("/10/inputs/model/0").asText()).isEqualTo("1");
        assertThat(nodes.at("/11/inputs/clip/0").asText()).isEqualTo("10");
        String last = lora.isEmpty() ? "11" : "2";
        assertThat(nodes.at("/2/inputs/model/0").asText()).isEqualTo(lora.isEmpty() ? "" : "11");
        assertThat(nodes.at("/6/inputs/model/0").asText()).isEqualTo(last);
        assertThat(nodes.at("/3/inputs/clip/0").asText()).isEqualTo(last);
    }

    private JsonNode workflow(Prediction prediction) throws Exception {
        return workflow(prediction, false, Schedule.Spacing.Leading, "TOK on a bike");
    }

    @ParameterizedTest
    @EnumSource(Prediction.class)
    void everyNodeHasItsInputsAndEveryLinkAnOutputToComeFrom(Prediction prediction) throws Exception {
        JsonNode nodes = workflow(prediction);

        assertThat(nodes).hasSize(prediction == Prediction.V ? 9 : 8);
        for (JsonNode node : nodes) {
            assertThat(node.get("inputs").fieldNames())
                    .toIterable()
                    .containsExactlyInAnyOrder(INPUTS.get(node.get("class_type").asText()));
            for (JsonNode input : node.get("inputs")) {
                if (input.isArray()) {
                    JsonNode from = nodes.get(input.get(0).asText());
                    assertThat(input.get(1).asInt())
                            .isLessThan(OUTPUTS.get(from.get("class_type").asText()));
                }
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"false, Leading, normal", "true, Trailing, simple"})
    void zeroTerminalSnrIsToldAndItsTimestepsBeginAtTheLast(boolean zero, Schedule.Spacing spacing, String scheduler)
            throws Exception {
        JsonNode nodes = workflow(Prediction.V, zero, spacing, "x");

        assertThat(nodes.at("/9/inputs/sampling").asText()).isEqualTo("v_prediction");
        assertThat(nodes.at("/9/inputs/zsnr").asBoolean()).isEqualTo(zero);
        assertThat(nodes.at("/6/inputs/scheduler").asText()).isEqualTo(scheduler);
    }

    /** As ComfyUI's text encoder reads them: escaped brackets are the text's own, others weigh. */
    @ParameterizedTest
    @ValueSource(strings = {"a cat (orange)", "saber \\(fate\\)", "a ) b ( c", "(a:1.3)", "[x] {y}"})
    void bracketsAreTheTextsOwn(String text) throws Exception {
        String written = workflow(Prediction.Epsilon, false, Schedule.Spacing.Leading, text)
                .at("/3/inputs/text")
                .asText();

        String marked = written.replace("\\)", "\0\1").replace("\\(", "\0\2");
        assertThat(marked).doesNotContain("(", ")");
        assertThat(marked.replace("\0\1", ")").replace("\0\2", "(")).isEqualTo(text);
    }

    @Test
    void drawsThePromptWithTheLoraAsTheRunDoes() throws Exception {
        JsonNode nodes = workflow(Prediction.Epsilon);

        assertThat(nodes.at("/1/inputs/ckpt_name").asText()).isEqualTo("dream.safetensors");
        assertThat(nodes.at("/2/inputs/lora_name").asText()).isEqualTo("banny.safetensors");
        assertThat(nodes.at("/3/inputs/text").asText()).isEqualTo("TOK on a bike");
        assertThat(nodes.at("/4/inputs/text").asText()).isEqualTo("blurry \\(bad\\)");
        JsonNode sampler = nodes.at("/6/inputs");
        assertThat(sampler.get("sampler_name").asText()).isEqualTo("euler");
        assertThat(sampler.get("seed").asLong()).isEqualTo(7);
        assertThat(sampler.get("steps").asInt()).isEqualTo(25);
        assertThat(sampler.get("cfg").asDouble()).isEqualTo(6.5);
        assertThat(sampler.get("model").get(0).asText()).isEqualTo("2");
        assertThat(sampler.get("positive").get(0).asText()).isEqualTo("3");
        assertThat(sampler.get("negative").get(0).asText()).isEqualTo("4");
        assertThat(nodes.at("/5/inputs/width").asInt()).isEqualTo(768);
        assertThat(workflow(Prediction.V).at("/6/inputs/model/0").asText()).isEqualTo("9");
    }
}
