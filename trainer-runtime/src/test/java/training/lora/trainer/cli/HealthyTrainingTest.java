package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Json;
import training.lora.trainer.Goldens;
import training.lora.trainer.trained.TrainSummary;

/** The watchdog beside trainings whose losses are high because of what they draw, and beside ones that diverge. */
class HealthyTrainingTest {
    private static final String[] LOW_SIGMAS = {
        "--set", "training.loss.weighting=Uniform",
        "--set", "training.loss.timesteps=LogNormalSigma",
        "--set", "training.loss.timestepMean=-3.2",
        "--set", "training.loss.timestepDeviation=0.1"
    };

    @TempDir
    Path folder;

    private TinyRun tiny;

    @BeforeEach
    void tinyRun() throws IOException {
        tiny = TinyRun.create(
                folder,
                "steps: 60, precision: Float32, adapter: {rank: 4}, watchdog: {rollbacks: 0}, optimizer: {learningRate: 1e-4, schedule: {type: Constant}}");
    }

    private void datasets(String datasets) throws IOException {
        Files.writeString(
                tiny.yaml, Files.readString(tiny.yaml).replace("datasets: [{uri: data}]", "datasets: " + datasets));
    }

    private void moveTo(String other, String... names) throws IOException {
        Files.createDirectories(folder.resolve(other));
        for (String name : names) {
            for (String end : new String[] {".png", ".txt"}) {
                Files.move(folder.resolve("data/" + name + end), folder.resolve(other + "/" + name + end));
            }
        }
    }

    private static String[] with(String[] some, String... more) {
        return Stream.of(some, more).flatMap(Stream::of).toArray(String[]::new);
    }

    private Ran trained(String... more) {
        assertThat(tiny.run("prepare", more).code()).isZero();
        return tiny.run("train", more);
    }

    private double meanLoss() throws IOException {
        return Files.readAllLines(tiny.workspace().resolve("train/loss.jsonl")).stream()
                .mapToDouble(line -> {
                    try {
                        return Json.MAPPER.readTree(line).get("loss").asDouble();
                    } catch (IOException e) {
                        throw new IllegalStateException(e);
                    }
                })
                .average()
                .orElseThrow();
    }

    private void assertHealthy(Ran ended, double leastOverFixedSet) throws IOException {
        assertThat(ended.code()).as(ended.error()).isZero();
        TrainSummary summary = TrainSummary.read(tiny.workspace().resolve("train"));
        assertThat(summary.rollbacks()).isEmpty();
        assertThat(meanLoss())
                .as("the case: losses that are high beside the fixed set's")
                .isGreaterThan(leastOverFixedSet
                        * Objects.requireNonNull(summary.fixedSetLoss()).before());
    }

    @Test
    void weightsMakeNoDivergence() throws IOException {
        datasets("[{uri: data, weight: 5}]");

        assertHealthy(trained(), 4);
    }

    @Test
    void fewPicturesOfALargeWeightMakeNoDivergence() throws IOException {
        moveTo("heavy", "crab");
        datasets("[{uri: data, repeats: 20}, {name: heavy, uri: heavy, weight: 100}]");

        assertHealthy(trained(), 1.5);
    }

    /** By a model that was trained, which finds the noise the harder the less there is of it. */
    @Test
    void littleNoiseWithoutAWeightMakesNoDivergence() throws IOException {
        Files.writeString(
                tiny.yaml,
                Files.readString(tiny.yaml)
                        .replace(
                                "{uri: base}",
                                "{uri: '%s'}"
                                        .formatted(Goldens.BUNDLED
                                                .resolve("emoji-sd")
                                                .toRealPath()))
                        .replace("steps: 60", "steps: 20"));

        assertHealthy(trained(with(LOW_SIGMAS, "--set", "preparation.resolution=64")), 3);
    }

    @Test
    void divergenceIsSeenWhateverIsDrawn() throws IOException {
        datasets("[{uri: data, weight: 5}]");

        Ran ended = trained(with(LOW_SIGMAS, "--set", "training.optimizer.learningRate=10"));

        assertThat(ended.code()).as(ended.error()).isEqualTo(13);
        assertThat(ended.error()).contains("the training must not diverge, but at step ");
    }
}
