package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a device rules out is said before data are prepared, where the same process trains on them. */
class UnfitDeviceTest {
    @TempDir
    Path folder;

    @ParameterizedTest
    @ValueSource(strings = {"baseWeights: Fp8", "offloadFraction: 0.5"})
    void aRunIsRefusedBeforeItPrepares(String training) throws IOException {
        TinyRun run = TinyRun.create(folder, "steps: 1, " + training);

        Ran ran = run.run("run", "--device", "cpu");

        assertThat(ran.code()).isEqualTo(10);
        assertThat(ran.error())
                .contains(
                        "`spec.training." + training.substring(0, training.indexOf(':')) + "` must be ", "on the CPU");
        assertThat(run.workspace().resolve("results/prepare")).isDirectoryContaining("glob:**.json");
        assertThat(run.workspace().resolve("dataset")).doesNotExist();
    }

    /** Who goes on when the captions are as they should be may do so on a card. */
    @Test
    void aRunThatEndsWithTheCaptionsTrainsOnNoDevice() throws IOException {
        TinyRun run =
                TinyRun.create(folder, "steps: 1, baseWeights: Fp8", "preparation: {captions: {pauseForReview: true}}");

        Ran waiting = run.run("run", "--device", "cpu");
        Ran going = run.run("run", "--device", "cpu", "--reviewed");

        assertThat(waiting.code()).as(waiting.error()).isZero();
        assertThat(waiting.output()).contains("the captions wait for a look");
        assertThat(going.code()).isEqualTo(10);
        assertThat(going.error()).contains("`spec.training.baseWeights` must be ");
    }

    /** The pod that prepares may have no card, and the one that trains another device. */
    @Test
    void preparationAloneIsDoneOnAnyDevice() throws IOException {
        TinyRun run = TinyRun.create(folder, "steps: 1, baseWeights: Fp8");

        Ran prepared = run.run("prepare", "--device", "cpu");

        assertThat(prepared.code()).as(prepared.error()).isZero();
        assertThat(run.workspace().resolve("dataset")).isDirectory();
        assertThat(run.run("train", "--device", "cpu").code()).isEqualTo(10);
    }
}
