package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.apache.commons.compress.archivers.zip.ZipArchiveEntry;
import org.apache.commons.compress.archivers.zip.ZipArchiveOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.Reason;
import training.lora.trainer.Goldens;

/** Bad input: the exit code, the sentence, and nothing half-written. */
class MainTest {
    @TempDir
    Path folder;

    private Path yaml(String data, String more) throws IOException {
        Path base = Goldens.BUNDLED.resolve("emoji-sd").toAbsolutePath().normalize();
        return Files.writeString(folder.resolve("training.yaml"), """
                apiVersion: lora.training/v1alpha1
                kind: LoraTraining
                metadata: {name: t}
                spec:
                  baseModel: {uri: "%s"}
                  datasets: [{uri: %s}]
                  evaluation: {enabled: false}
                %s
                """.formatted(base, data, more));
    }

    private Ran prepare(Path yaml, String... more) {
        List<String> arguments = new ArrayList<>(List.of("prepare", yaml.toString()));
        arguments.addAll(List.of("--workspace", folder.resolve("work").toString()));
        arguments.addAll(List.of(more));
        return Ran.of(arguments.toArray(String[]::new));
    }

    private void picture(String name) throws IOException {
        Files.createDirectories(folder.resolve("data"));
        Files.copy(
                Goldens.BUNDLED.resolve("fluent-style/bat.png"),
                folder.resolve("data").resolve(name + ".png"));
        Files.writeString(folder.resolve("data").resolve(name + ".txt"), "a bat");
    }

    @Test
    void helpNamesEveryExitCode() {
        String help = Ran.of("--help").output();

        String codes = help.substring(help.indexOf("Exit codes:"));
        for (Reason reason : Reason.values()) {
            if (reason.exitCode() > 0) {
                assertThat(codes).containsPattern("\\b" + reason.exitCode() + "\\b");
            }
        }
    }

    @Test
    void cardThatIsNotThereIsRefusedBeforeAnythingIsWritten() throws IOException {
        picture("bat");

        Ran ended = prepare(yaml("data", ""), "--device", "cuda");

        assertThat(ended.code()).isEqualTo(10);
        assertThat(ended.error()).contains("`--device` cuda must be a card that this process can use, but");
        assertThat(folder.resolve("work/dataset")).doesNotExist();
    }

    @Test
    void unknownFieldIsRefusedWithItsPathAndItsNeighbours() throws IOException {
        Ran ended = prepare(yaml("data", "  training: {rank: 4}"));

        assertThat(ended.code()).isEqualTo(10);
        assertThat(ended.error())
                .contains("`spec.training.rank` must be a known field", "adapter, baseWeights, batchSize");
    }

    @Test
    void wrongChoiceIsRefusedWithTheChoices() throws IOException {
        Ran ended = prepare(yaml("data", "  training: {loss: {weighting: Snr}}"));

        assertThat(ended.code()).isEqualTo(10);
        assertThat(ended.error())
                .contains("`spec.training.loss.weighting` must be one of [MinSnr, Uniform, Debiased], was Snr");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "training: {steps: many} | `spec.training.steps` must be a whole number, was many",
                "training: {steps: 1.5} | `spec.training.steps` must be a whole number, was 1.5",
                "training: {seed: 99999999999999999999} | `spec.training.seed` must be a number within the field's range, was 99999999999999999999",
                "training: {adapter: {targets: [null]}} | `spec.training.adapter` must be without empty entries in its lists, was {\"targets\":[null]}",
                "training: 5 | `spec.training` must be a mapping of fields, was 5",
                "training: {optimizer: {learningRate: [1]}} | `spec.training.optimizer.learningRate` must be a number, was [1]",
                "training: {adapter: {targets: Attention}} | `spec.training.adapter.targets` must be a list, was Attention",
                "training: {adapter: {textEncoder: maybe}} | `spec.training.adapter.textEncoder` must be true or false, was maybe",
                "sampling: {prompts: [{text: {a: 1}}]} | `spec.sampling.prompts[0].text` must be text, was {\"a\":1}",
            })
    void wrongTypeIsNamedWithWhatMustStandThere(String field, String sentence) throws IOException {
        Path yaml = yaml("data", "  " + field);

        Ran ended = prepare(yaml);

        assertThat(ended.code()).isEqualTo(10);
        assertThat(ended.error()).endsWith("lora-trainer: " + yaml + ": " + sentence + System.lineSeparator());
    }

    @Test
    void settingThatIsNoYamlIsNamed() throws IOException {
        Ran ended = prepare(yaml("data", ""), "--set", "training.adapter={rank: [");

        assertThat(ended.code()).isEqualTo(10);
        assertThat(ended.error()).contains("the value of --set training.adapter must be YAML: ");
    }

    @Test
    void everyValueOutOfRangeIsReportedAtOnce() throws IOException {
        Ran ended = prepare(yaml("data", "  training: {steps: 0, adapter: {rank: -4}}"));

        assertThat(ended.code()).isEqualTo(10);
        assertThat(ended.error())
                .contains("`spec.training.steps` must be at least 1, was 0")
                .contains("`spec.training.adapter.rank` must be at least 1, was -4");
    }

    @Test
    void runThatEndsBeforeItsWarmUpIsRefused() throws IOException {
        Ran ended = prepare(yaml("data", "  training: {steps: 10, optimizer: {schedule: {warmupSteps: 10}}}"));

        assertThat(ended.code()).isEqualTo(10);
        assertThat(ended.error())
                .contains("`spec.training.optimizer.schedule.warmupSteps` must be less than steps (10), was 10");
    }

    @Test
    void fewerPicturesThanABatchAreRefused() throws IOException {
        picture("good");
        picture("better");

        Ran ended = prepare(yaml("data", "  training: {batchSize: 3}"));

        assertThat(ended.code()).isEqualTo(11);
        assertThat(ended.error())
                .contains("`spec.datasets` must hold at least as many pictures to train on as a step takes"
                        + " (`spec.training.batchSize`, 3), but hold 2");
        assertThat(folder.resolve("work/dataset")).doesNotExist();
    }

    @Test
    void folderWithoutPicturesIsRefused() throws IOException {
        Files.createDirectories(folder.resolve("data"));

        Ran ended = prepare(yaml("data", ""));

        assertThat(ended.code()).isEqualTo(11);
        assertThat(ended.error()).contains("data set \"main\" must hold pictures");
        assertThat(folder.resolve("work/dataset")).doesNotExist();
        assertThat(folder.resolve("work/.dataset.tmp")).doesNotExist();
    }

    @Test
    void everyUnreadablePictureIsNamed() throws IOException {
        picture("good");
        for (String name : List.of("bad", "worse")) {
            Files.writeString(folder.resolve("data").resolve(name + ".jpg"), "no picture");
            Files.writeString(folder.resolve("data").resolve(name + ".txt"), "text");
        }

        Ran ended = prepare(yaml("data", ""));

        assertThat(ended.code()).isEqualTo(11);
        assertThat(ended.error()).contains("main/bad.jpg is no picture", "main/worse.jpg is no picture");
        assertThat(folder.resolve("work/dataset")).doesNotExist();
        assertThat(folder.resolve("work/.dataset.tmp")).doesNotExist();
    }

    @Test
    void pictureWithoutCaptionIsNamed() throws IOException {
        picture("good");
        Files.delete(folder.resolve("data/good.txt"));

        Ran ended = prepare(yaml("data", ""), "--set", "preparation.captions.source=Sidecar");

        assertThat(ended.code()).isEqualTo(11);
        assertThat(ended.error()).contains("good.png has no caption good.txt beside it");
    }

    @Test
    void zipThatLeavesItsFolderIsRefused() throws IOException {
        try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(folder.resolve("data.zip")))) {
            zip.putNextEntry(new ZipEntry("../evil.png"));
            zip.write(1);
        }

        Ran ended = prepare(yaml("data.zip", ""));

        assertThat(ended.code()).isEqualTo(11);
        assertThat(ended.error()).contains("must stay in its folder, but has the entry ../evil.png");
        assertThat(folder.resolve("work/evil.png")).doesNotExist();
    }

    @Test
    void zipWithANameTwiceIsRefused() throws IOException {
        try (ZipArchiveOutputStream zip = new ZipArchiveOutputStream(folder.resolve("data.zip"))) {
            for (String name : List.of("a.png", "b/../a.png")) {
                zip.putArchiveEntry(new ZipArchiveEntry(name));
                zip.write(1);
                zip.closeArchiveEntry();
            }
        }

        Ran ended = prepare(yaml("data.zip", ""));

        assertThat(ended.code()).isEqualTo(11);
        assertThat(ended.error()).contains("must have each entry once, but has b/../a.png twice");
    }

    @Test
    void missingBaseModelIsItsOwnExitCode() throws IOException {
        picture("good");
        Files.createDirectories(folder.resolve("empty"));

        Ran ended = prepare(yaml("data", ""), "--set", "baseModel.uri=" + folder.resolve("empty"));

        assertThat(ended.code()).isEqualTo(12);
        assertThat(ended.error()).contains("model_index.json must be there");
    }

    @Test
    void baseModelWhoseDenoiserWasCutOffIsRefusedByPrepare() throws IOException {
        picture("good");
        TinyRun tiny = TinyRun.create(folder, "steps: 2, adapter: {rank: 2}");
        Path weights = folder.resolve("base/unet/diffusion_pytorch_model.safetensors");
        byte[] whole = Files.readAllBytes(weights);
        Files.write(weights, Arrays.copyOf(whole, whole.length - 1));

        Ran ended = tiny.run("prepare");

        assertThat(ended.code()).isEqualTo(12);
        assertThat(ended.error()).contains(weights + " must be a whole safetensors file, but ends before its tensor");
        assertThat(tiny.workspace().resolve("dataset")).doesNotExist();
    }

    @Test
    void modelsDescriptionThatIsNoJsonIsRefusedInOneLine() throws IOException {
        picture("good");
        TinyRun tiny = TinyRun.create(folder, "steps: 2, adapter: {rank: 2}");
        Path config = Files.writeString(folder.resolve("base/unet/config.json"), "{");

        Ran ended = tiny.run("prepare");

        assertThat(ended.code()).isEqualTo(12);
        assertThat(ended.error().lines().filter(l -> l.startsWith("lora-trainer: ")))
                .containsExactly("lora-trainer: " + config
                        + " must be JSON: Unexpected end-of-input: expected close marker for Object at line 1");
        Files.writeString(config, "{}");
        assertThat(tiny.run("prepare").error())
                .contains("`block_out_channels` in " + config + " must be a list of whole numbers, but is missing");
    }

    @ParameterizedTest
    @CsvSource({"--workspace, file", "--workspace, file/below", "--output, file", "--output, file/below"})
    void folderThatCantBeWrittenToIsRefusedBeforeAnythingIsDone(String option, String place) throws IOException {
        picture("good");
        Files.writeString(folder.resolve("file"), "");
        List<String> arguments = new ArrayList<>(List.of("run", yaml("data", "").toString()));
        arguments.addAll(List.of(option, folder.resolve(place).toString()));
        if (option.equals("--output")) {
            arguments.addAll(List.of("--workspace", folder.resolve("work").toString()));
        }

        Ran ended = Ran.of(arguments.toArray(String[]::new));

        assertThat(ended.code()).isEqualTo(10);
        assertThat(ended.error())
                .isEqualTo("lora-trainer: `%s` %s must be a folder that can be written to, but %s is a file%n"
                        .formatted(option, folder.resolve(place), folder.resolve("file")));
        assertThat(folder.resolve("work/dataset")).doesNotExist();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--steps | 0 | `--steps` must be at least 1, was 0",
                "--guidance | -3 | `--guidance` must be at least 0, was -3.0",
                "--resolution | 100 | `--resolution` must be a multiple of 64 for this model, was 100",
                "--resolution | -64 | `--resolution` must be a multiple of 64 for this model, was -64",
            })
    void pictureThatCantBeDrawnIsRefusedAsWrongUsage(String option, String value, String sentence) {
        Ran ended = Ran.of(
                "sample",
                "--base",
                Goldens.BUNDLED.resolve("emoji-sd").toAbsolutePath().normalize().toString(),
                "--prompt",
                "x",
                "--out",
                folder.resolve("pictures").toString(),
                option,
                value);

        assertThat(ended.code()).isEqualTo(2);
        assertThat(ended.error()).endsWith("lora-trainer: " + sentence + System.lineSeparator());
        assertThat(folder.resolve("pictures")).doesNotExist();
    }

    @Test
    void emptyCaptionsAreToldWithTheirNumber() throws IOException {
        picture("good");
        picture("mute");
        Files.writeString(folder.resolve("data/mute.txt"), " ");

        Ran ended = prepare(yaml("data", ""));

        assertThat(ended.code()).isZero();
        assertThat(ended.error())
                .contains(
                        "a caption should say what its picture shows, but 1 of 2 are empty, such as that of main/mute.png");
    }

    @Test
    void preparedDataIsUsedAgain() throws IOException {
        picture("good");
        Path yaml = yaml("data", "");

        assertThat(prepare(yaml).code()).isZero();
        var first = Files.getLastModifiedTime(folder.resolve("work/dataset/latents.safetensors"));
        assertThat(prepare(yaml).code()).isZero();

        assertThat(Files.getLastModifiedTime(folder.resolve("work/dataset/latents.safetensors")))
                .isEqualTo(first);
    }

    @Test
    void wrongUsageExitsWithTwo() {
        assertThat(Ran.of("train").code()).isEqualTo(2);
    }
}
