package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.opencv.core.Mat;
import org.opencv.core.Size;
import org.opencv.imgcodecs.Imgcodecs;
import org.opencv.imgproc.Imgproc;
import training.lora.api.DatasetRole;
import training.lora.api.Json;
import training.lora.api.Metric;
import training.lora.api.Reason;
import training.lora.api.StageResult;
import training.lora.trainer.dataset.DatasetManifest;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.tensor.SafeTensors;
import training.lora.trainer.trained.TrainSummary;

/** Several data sets in one training. */
class DatasetsTest {
    @TempDir
    Path folder;

    private TinyRun tiny;

    @BeforeEach
    void tinyRun() throws IOException {
        tiny = TinyRun.create(folder, "steps: 2, adapter: {rank: 2}");
        Files.createDirectories(folder.resolve("class"));
        for (String end : List.of(".png", ".txt")) {
            Files.move(folder.resolve("data/crab" + end), folder.resolve("class/crab" + end));
        }
    }

    private void datasets(String datasets) throws IOException {
        Files.writeString(
                tiny.yaml,
                Files.readString(tiny.yaml)
                        .replace("datasets: [{uri: data}]", "datasets: [{uri: data}, " + datasets + "]"));
    }

    private static Map<String, String> metadata(TinyRun run) {
        try (SafeTensors file = SafeTensors.open(run.workspace().resolve("output/tiny.safetensors"))) {
            return file.metadata();
        }
    }

    private DatasetManifest manifest() {
        return PreparedDataset.manifest(tiny.workspace().resolve("dataset"));
    }

    @Test
    void regularizationPicturesKeepTheirRoleAndTheirCaptionsGetNoPrefix() throws IOException {
        datasets("{name: class, uri: class, role: Regularization, weight: 0.5}");

        assertThat(tiny.run("prepare", "--set", "preparation.captions.prefix=\"TOK, \"")
                        .code())
                .isZero();
        assertThat(tiny.run("train", "--set", "preparation.captions.prefix=\"TOK, \"")
                        .code())
                .isZero();

        assertThat(manifest().samples())
                .extracting(Sample::name, Sample::role, Sample::caption)
                .containsExactly(
                        tuple("main/bat.png", DatasetRole.Train, "TOK, an emoji of a bat"),
                        tuple("main/pear.png", DatasetRole.Train, "TOK, an emoji of a pear"),
                        tuple("class/crab.png", DatasetRole.Regularization, "an emoji of a crab"));
    }

    @Test
    void lossOnHeldOutPicturesIsAMetricOfEachCheckpointAndChangesNothingInTheTraining() throws IOException {
        assertThat(tiny.run("prepare").code()).isZero();
        assertThat(tiny.run("train").code()).isZero();
        Map<String, String> without = metadata(tiny);
        TinyRun validated = tiny.in(folder.resolve("validated"));
        datasets("{name: class, uri: class, role: Validation}");

        assertThat(validated.run("prepare").code()).isZero();
        assertThat(validated
                        .run("train", "--set", "training.checkpoints.everySteps=1")
                        .code())
                .isZero();

        assertThat(metadata(validated))
                .containsEntry("ss_num_train_images", "2")
                .containsEntry("modelspec.hash_sha256", without.get("modelspec.hash_sha256"));
        TrainSummary summary = TrainSummary.read(validated.workspace().resolve("train"));
        assertThat(summary.checkpoints())
                .allSatisfy(
                        c -> assertThat(c.metrics()).extracting(Metric::name).contains("loss", "validationLoss"));
        TrainSummary.FixedSetLoss loss = Objects.requireNonNull(summary.validationLoss());
        assertThat(loss.before()).isPositive();
        assertThat(loss.after()).isPositive().isNotEqualTo(loss.before());
        List<String> lines = Files.readAllLines(validated.workspace().resolve("train/loss.jsonl"));
        assertThat(lines).hasSize(2);
        assertThat(Json.MAPPER.readTree(lines.get(1)).get("validationLoss").asDouble())
                .isEqualTo(loss.after());
    }

    @Test
    void pictureThatIsBothHeldOutAndTrainedOnIsNamedWhateverItsFile() throws IOException {
        Mat bat = Imgcodecs.imread(folder.resolve("data/bat.png").toString());
        Imgcodecs.imwrite(folder.resolve("class/again.bmp").toString(), bat);
        Files.writeString(folder.resolve("class/again.txt"), "the same bat");
        datasets("{name: class, uri: class, role: Validation}");

        Ran ended = tiny.run("prepare");

        assertThat(ended.code()).isEqualTo(Reason.InvalidData.exitCode());
        assertThat(ended.error())
                .contains("no picture of a Validation data set may be trained on, but class/again.bmp is main/bat.png")
                .doesNotContain("crab");
        assertThat(tiny.workspace().resolve("dataset")).doesNotExist();
    }

    @Test
    void heldOutPictureThatLooksLikeOneThatIsTrainedOnIsToldAndNotRefused() throws IOException {
        Mat bat = Imgcodecs.imread(folder.resolve("data/bat.png").toString());
        Mat half = new Mat();
        Imgproc.resize(bat, half, new Size(), 0.5, 0.5, Imgproc.INTER_AREA);
        Imgcodecs.imwrite(folder.resolve("class/again.jpg").toString(), half);
        Files.writeString(folder.resolve("class/again.txt"), "the same bat");
        datasets("{name: class, uri: class, role: Validation}");
        String note = "the loss on held-out pictures says little of those that are trained on as well,"
                + " and class/again.jpg looks like main/bat.png";

        // The second time its data is there already.
        for (int attempt = 1; attempt <= 2; attempt++) {
            Ran ended = tiny.run("prepare");

            assertThat(ended.code()).isZero();
            assertThat(ended.error()).contains(note);
            assertThat(Json.MAPPER
                            .readValue(
                                    tiny.workspace()
                                            .resolve("results/prepare/result.json")
                                            .toFile(),
                                    StageResult.class)
                            .message())
                    .isEqualTo(note);
        }
    }

    @Test
    void epochsAreStepsThatProgressAndFilesTellOf() throws IOException {
        Files.writeString(
                tiny.yaml,
                Files.readString(tiny.yaml)
                        .replace("datasets: [{uri: data}]", "datasets: [{uri: data, repeats: 3}]")
                        .replace("steps: 2", "epochs: 2, batchSize: 2, gradientAccumulation: 2"));

        assertThat(tiny.run("prepare").code()).isZero();
        assertThat(tiny.run("train").code()).isZero();

        // 2 pictures, each 3 times, in steps of 4: 2 steps an epoch.
        assertThat(metadata(tiny))
                .containsEntry("ss_max_train_steps", "4")
                .containsEntry("ss_steps", "4")
                .containsEntry("ss_epoch", "2")
                .containsEntry("ss_num_epochs", "2")
                .containsEntry("ss_num_batches_per_epoch", "3")
                .containsEntry("ss_total_batch_size", "4");
        assertThat(Files.readAllLines(tiny.workspace().resolve("train/loss.jsonl")))
                .hasSize(4);
        List<String> events = Files.readAllLines(tiny.workspace().resolve("events.jsonl"));
        assertThat(Json.MAPPER
                        .readTree(events.get(events.size() - 1))
                        .get("steps")
                        .asInt())
                .isEqualTo(4);
    }

    @Test
    void epochsThatEndBeforeTheWarmUpAreRefusedBeforeAnythingIsPrepared() throws IOException {
        Files.writeString(
                tiny.yaml,
                Files.readString(tiny.yaml).replace("steps: 2", "epochs: 2, optimizer: {schedule: {warmupSteps: 4}}"));

        Ran ended = tiny.run("prepare");

        assertThat(ended.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(ended.error())
                .contains(
                        "`spec.training.optimizer.schedule.warmupSteps` must be less than the 4 steps of 2 epochs, was 4");
        assertThat(tiny.workspace().resolve("dataset")).doesNotExist();
    }
}
