package training.lora.trainer.tensor;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** How many threads share an operation. */
class ThreadsTest {
    @ParameterizedTest
    @CsvSource({"1, 1", "3, 3", "4, 4", "64, 4", "'2,1', 2", "'16,4', 4", "' 2 ', 2"})
    void asManyAsAskedForButNeverMoreThanProcessors(String wanted, int threads) {
        assertThat(Threads.count(wanted, 4)).isEqualTo(threads);
    }

    @ParameterizedTest
    @CsvSource(
            nullValues = "null",
            value = {"null", "''", "many", "0", "-1", "1.5"})
    void asManyAsProcessorsWhereNothingIsAskedFor(String wanted) {
        assertThat(Threads.count(wanted, 4)).isEqualTo(4);
    }

    /** That the engine takes it, and that it reads the property before it is loaded. */
    @Test
    void theEngineHasThem() {
        ComputeDevice.CPU.newManager().close();

        assertThat(TorchScript.threads())
                .isEqualTo(Threads.count(
                        System.getenv(Threads.WANTED), Runtime.getRuntime().availableProcessors()));
    }
}
