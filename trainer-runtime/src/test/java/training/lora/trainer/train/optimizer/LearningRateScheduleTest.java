package training.lora.trainer.train.optimizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import training.lora.api.OptimizerSpec;
import training.lora.api.OptimizerType;
import training.lora.api.ScheduleType;
import training.lora.trainer.train.TrainingGoldens;
import training.lora.trainer.train.TrainingSpecs;

class LearningRateScheduleTest {
    private static LearningRateSchedule schedule(double peak, String fields, int steps) {
        OptimizerSpec optimizer = TrainingSpecs.of(
                        "optimizer: {learningRate: %s, schedule: {%s}}".formatted(peak, fields))
                .optimizer();
        return LearningRateSchedule.of(optimizer, steps);
    }

    static Stream<JsonNode> goldens() throws IOException {
        return StreamSupport.stream(TrainingGoldens.values().get("schedules").spliterator(), false);
    }

    /** Against diffusers, transformers and torch: 20 steps with a warm-up of 4, highest rate 2. */
    @ParameterizedTest
    @MethodSource("goldens")
    void ratesAreThoseOfDiffusersAndTransformers(JsonNode golden) {
        LearningRateSchedule schedule = schedule(
                2, golden.get(0).asText() + ", warmupSteps: 4", golden.get(1).size());

        for (int k = 0; k < golden.get(1).size(); k++) {
            assertThat(schedule.at(k))
                    .as("%s, step %d", golden.get(0), k)
                    .isCloseTo(golden.get(1).get(k).asDouble(), within(1e-8));
        }
    }

    @ParameterizedTest
    @EnumSource
    void noRateIsAboveThePeakOrBelowZero(ScheduleType type) {
        for (int warmup : new int[] {0, 1, 7, 99}) {
            LearningRateSchedule schedule = schedule(1e-3, "type: %s, warmupSteps: %d".formatted(type, warmup), 100);

            assertThat(IntStream.range(0, 100).mapToDouble(schedule::at)).allMatch(rate -> rate >= 0 && rate <= 1e-3);
            assertThat(schedule.at(warmup)).isEqualTo(1e-3);
        }
    }

    @Test
    void constantRisesThenStays() {
        LearningRateSchedule schedule = schedule(1e-3, "type: Constant, warmupSteps: 2", 5);

        assertThat(IntStream.range(0, 5).mapToObj(schedule::at)).containsExactly(0.0, 5e-4, 1e-3, 1e-3, 1e-3);
    }

    @ParameterizedTest
    @EnumSource
    void rateOfThoseThatFindTheirsIsOneAndOfOthersSmall(OptimizerType type) {
        OptimizerSpec optimizer =
                TrainingSpecs.of("optimizer: {type: %s}".formatted(type)).optimizer();

        double rate = LearningRateSchedule.of(optimizer, 10).at(0);

        assertThat(rate).isEqualTo(optimizer.highestLearningRate());
        if (type.findsItsRate()) {
            assertThat(rate).isEqualTo(1);
        } else {
            assertThat(rate).isBetween(1e-5, 1e-3);
        }
    }

    /** b (target / b)^(k / n), as Eden's trainer rises, and no higher. */
    @Test
    void anExponentialWarmUpRisesByAFactorAndStays() {
        LearningRateSchedule schedule = schedule(3e-4, "type: Constant, warmupSteps: 4, warmupFrom: 5e-5", 8);

        for (int k = 0; k < 8; k++) {
            assertThat(schedule.at(k)).isCloseTo(5e-5 * Math.pow(6, Math.min(k, 4) / 4.0), within(1e-12));
        }
        assertThat(schedule(3e-4, "type: Constant, warmupSteps: 8, warmupFrom: 5e-5", 8)
                        .at(7))
                .isCloseTo(5e-5 * Math.pow(6, 7 / 8.0), within(1e-12));
    }
}
