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
