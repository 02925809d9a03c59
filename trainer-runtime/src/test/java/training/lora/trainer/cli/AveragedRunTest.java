package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.trainer.tensor.SafeTensors;

/** Runs that put out an average of what they train. */
@Timeout(value = 900, unit = TimeUnit.SECONDS)
class AveragedRunTest {
    @TempDir
    Path folder;

    /** The average is that of the state: EMA's itself, or y + (1 - 1 / b1) (z - y). */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "average    | parameters | 1               | ema: {decay: 0.6}, optimizer: {type: AdamW8bit, learningRate: 1e-2, loraPlusRatio: 4}",
                "parameters | z          | 1.1111111111111 | optimizer: {type: ScheduleFreeAdamW, learningRate: 1e-2}",
                "parameters | z          | 1.1111111111111 | optimizer: {type: ProdigyScheduleFree, dCoefficient: 100}"
            })
    void filesHoldTheAverageAndARunIsGoneOnFromWhatWasTrained(String first, String second, double share, String fields)
            throws Exception {
        TinyRun run = TinyRun.create(
                folder,
                "steps: 12, batchSize: 2, precision: Float32, checkpoints: {everySteps: 6}, adapter: {rank: 2}, "
                        + fields);

        Ran ended = run.run("run");
        assertThat(ended.code()).as(ended.error()).isZero();
        byte[] whole = run.lora();
        double put = sum(run.workspace().resolve("output/tiny.safetensors"), "lora_down.weight", "lora_up.weight");
        double one = sum(run.state(12), first);
        double other = sum(run.state(12), second);
        run.interruptBefore(12);
        Ran again = run.run("run", "--attempt", "2");
        assertThat(again.code()).as(again.error()).isZero();

        assertThat(again.output() + again.error()).contains("going on from step 6 of 12");
        assertThat(run.lora()).isEqualTo(whole);
        assertThat(put).isCloseTo(share * one + (1 - share) * other, within(1e-4));
        assertThat(Math.abs(put - other)).isGreaterThan(1e-3);
    }

    /** Of the values of all tensors whose names end so. */
    private static double sum(Path path, String... ends) throws Exception {
        double sum = 0;
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafeTensors file = SafeTensors.open(path)) {
            for (String name : file.entries().keySet()) {
                for (String end : ends) {
                    if (name.endsWith(end)) {
                        NDArray values = file.read(name, manager).toType(DataType.FLOAT64, false);
                        sum += values.sum().getDouble();
                    }
                }
            }
        }
        return sum;
    }
}
