package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A run that leaves out ranks and modules by chance and by timestep, and limits norms, gone on from with the same bits. */
@Timeout(value = 900, unit = TimeUnit.SECONDS)
class DropoutRunTest {
    @TempDir
    Path folder;

    @ParameterizedTest
    @ValueSource(
            strings = {
                "rankDropout: 0.3, moduleDropout: 0.2, timestepRank: {minimum: 1}, maximumNorm: 0.02, dropout: 0.1, rank: 3",
                "type: DoRA, moduleDropout: 0.4, rank: 2"
            })
    void whatIsLeftOutIsTheSameAfterARestart(String adapter) throws Exception {
        TinyRun run = TinyRun.create(
                folder,
                "steps: 8, batchSize: 2, precision: Float32, checkpoints: {everySteps: 4}, adapter: {" + adapter
                        + ", textEncoder: true, targets: [Attention, FeedForward, Convolution]}, optimizer: {learningRate: 1e-2}");

        Ran ended = run.run("run");
        assertThat(ended.code()).as(ended.error()).isZero();
        byte[] whole = run.lora();
        run.interruptBefore(8);
        Ran again = run.run("run", "--attempt", "2");

        assertThat(again.code()).as(again.error()).isZero();
        assertThat(again.output() + again.error()).contains("going on from step 4 of 8");
        assertThat(run.lora()).isEqualTo(whole);
    }
}
