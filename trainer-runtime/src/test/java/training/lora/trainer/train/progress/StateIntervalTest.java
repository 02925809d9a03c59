package training.lora.trainer.train.progress;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.trainer.train.TrainingSpecs;

class StateIntervalTest {
    @ParameterizedTest
    @CsvSource({
        "Adapter, 1, 60",
        "Adapter, 30, 60",
        "FullFineTuning, 1, 60",
        "FullFineTuning, 3, 60",
        "FullFineTuning, 30, 600"
    })
    void statesOfAModelAreFurtherApartWhereTheyAreSlowToWrite(String method, int written, int seconds) {
        long nanos = TrainingState.interval(
                TrainingSpecs.of("method: " + method),
                Duration.ofSeconds(written).toNanos());

        assertThat(Duration.ofNanos(nanos)).hasSeconds(seconds);
    }
}
