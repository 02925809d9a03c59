package training.lora.trainer.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import training.lora.api.ScheduleType;

class LearningRateScheduleTest {
    /** Expected values: get_cosine_schedule_with_warmup(…, 3, 12) of diffusers 0.42. */
    @Test
    void cosineFollowsDiffusers() {
        double[] expected = {
            0,
            0.33333333,
            0.66666667,
            1,
            0.96984631,
            0.88302222,
            0.75,
            0.58682409,
            0.41317591,
            0.25,
            0.11697778,
            0.03015369
        };
        LearningRateSchedule schedule = new LearningRateSchedule(2, ScheduleType.Cosine, 3, 12);

        for (int k = 0; k < expected.length; k++) {
            assertThat(schedule.at(k)).isCloseTo(2 * expected[k], within(2e-8));
        }
    }

    @Test
    void constantRisesThenStays() {
        LearningRateSchedule schedule = new LearningRateSchedule(1e-3, ScheduleType.Constant, 2, 5);

        assertThat(IntStream.range(0, 5).mapToObj(schedule::at)).containsExactly(0.0, 5e-4, 1e-3, 1e-3, 1e-3);
    }
}
