package training.lora.trainer.train.progress;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import training.lora.api.Checkpoint;
import training.lora.api.EarlyStopSpec;
import training.lora.api.Metric;

class EarlyStoppingTest {
    private static @Nullable String reason(int patience, double minDelta, double... scores) {
        List<Checkpoint> measured = new ArrayList<>();
        for (double score : scores) {
            measured.add(new Checkpoint(10 * (measured.size() + 1), List.of(Metric.of("score", score))));
        }
        return new EarlyStopping(new EarlyStopSpec(patience, minDelta), "score").reason(measured);
    }

    @Test
    void stopsOnceAsManyCheckpointsAsThePatienceHaveNotRisen() {
        assertThat(reason(2, 0, 0.2, 0.5, 0.4)).isNull();
        assertThat(reason(2, 0, 0.2, 0.5, 0.4, 0.5))
                .isEqualTo("score has not risen above that of step 20, 0.5, for 2 checkpoints");
        assertThat(reason(1, 0, 0.2, 0.1))
                .isEqualTo("score has not risen above that of step 10, 0.2000, for 1 checkpoint");
    }

    @Test
    void aRiseBeginsTheCountAnew() {
        assertThat(reason(2, 0, 0.5, 0.4, 0.6, 0.5)).isNull();
        assertThat(reason(2, 0, 0.5, 0.4, 0.6, 0.5, 0.55)).contains("step 30, 0.6");
    }

    @Test
    void aRiseOfNoMoreThanTheLeastIsNone() {
        assertThat(reason(2, 0.1, 0.5, 0.55, 0.6)).contains("step 10, 0.5");
        assertThat(reason(2, 0.1, 0.5, 0.55, 0.61)).isNull();
    }

    @Test
    void whatHasLearnedNothingYetIsWaitedFor() {
        assertThat(reason(2, 0, 0, 0, 0, 0)).isNull();
        assertThat(reason(2, 0, 0, 0, 0, 0.3, 0.2)).isNull();
        assertThat(reason(2, 0, 0, 0, 0, 0.3, 0.2, 0.1)).contains("step 40, 0.3");
    }
}
