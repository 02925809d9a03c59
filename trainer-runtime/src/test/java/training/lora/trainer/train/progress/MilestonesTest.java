package training.lora.trainer.train.progress;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import training.lora.trainer.order.RunLengthBuilder;

class MilestonesTest {
    private static Milestones milestones(int steps, @Nullable Integer everySteps) {
        return new Milestones(RunLengthBuilder.builder()
                .epochSamples(10)
                .epochBatches(10)
                .epochSteps(10)
                .steps(steps)
                .everySteps(everySteps)
                .build());
    }

    private static List<Integer> checkpoints(int steps, @Nullable Integer everySteps) {
        return IntStream.rangeClosed(0, steps + 10)
                .filter(milestones(steps, everySteps)::checkpoint)
                .boxed()
                .toList();
    }

    @Test
    void fourCheckpointsLieEvenlyOverARunOfAnyLength() {
        assertThat(checkpoints(1000, null)).containsExactly(250, 500, 750, 1000);
        assertThat(checkpoints(1001, null)).containsExactly(251, 501, 751, 1001);
        assertThat(checkpoints(1003, null)).containsExactly(251, 502, 753, 1003);
        assertThat(checkpoints(10, null)).containsExactly(3, 5, 8, 10);
        assertThat(checkpoints(3, null)).containsExactly(1, 2, 3);
        assertThat(checkpoints(1, null)).containsExactly(1);
    }

    @Test
    void givenIntervalIsKeptAndTheEndHasACheckpointToo() {
        assertThat(checkpoints(20, 7)).containsExactly(7, 14, 20);
        assertThat(checkpoints(21, 7)).containsExactly(7, 14, 21);
        assertThat(checkpoints(20, 20)).containsExactly(20);
        assertThat(checkpoints(20, 21)).containsExactly(20);
        assertThat(checkpoints(20, 10000000)).containsExactly(20);
    }

    @Test
    void longestRunOverflowsNothing() {
        assertThat(milestones(10000000, null).checkpoint(7500000)).isTrue();
        assertThat(milestones(10000000, null).checkpoint(7500001)).isFalse();
        assertThat(milestones(10000000, null).checkpointsAfter(7500000)).isEqualTo(1);
    }

    @Test
    void whatIsToComeIsCountedAtEachStep() {
        for (int steps : List.of(1, 2, 3, 4, 5, 10, 20, 21, 1001)) {
            for (Integer every : new Integer[] {null, 1, 3, 7, 20, 21, 5000}) {
                List<Integer> all = checkpoints(steps, every);
                for (int k = 0; k <= steps; k++) {
                    int done = k;
                    assertThat(milestones(steps, every).checkpointsAfter(k))
                            .as("%d steps, every %s, %d done", steps, every, k)
                            .isEqualTo((int) all.stream().filter(c -> c > done).count());
                }
            }
        }
    }

    @Test
    void statesComeAtCheckpointsAndEachHundredSteps() {
        assertThat(IntStream.rangeClosed(0, 410).filter(milestones(410, null)::state))
                .containsExactly(0, 100, 103, 200, 205, 300, 308, 400, 410);
    }
}
