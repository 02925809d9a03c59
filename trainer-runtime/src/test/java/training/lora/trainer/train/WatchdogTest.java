package training.lora.trainer.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.IntToDoubleFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.WatchdogSpec;

class WatchdogTest {
    private static final double BASE = 0.5;

    private static final Watchdog WATCHDOG = new Watchdog(new WatchdogSpec(true, 2));

    private static final Watchdog DISABLED = new Watchdog(new WatchdogSpec(false, 2));

    private static List<LossLog.Line> losses(int steps, IntToDoubleFunction loss) {
        List<LossLog.Line> lines = new ArrayList<>();
        for (int k = 1; k <= steps; k++) {
            lines.add(new LossLog.Line(k, loss.applyAsDouble(k), 1e-3, 1));
        }
        return lines;
    }

    @ParameterizedTest
    @ValueSource(doubles = {Double.NaN, Double.POSITIVE_INFINITY})
    void numberThatIsNoneIsAnAlarmAtItsStepEvenWhereTheWatchdogIsOff(double number) {
        List<LossLog.Line> loss = losses(9, k -> k == 7 ? number : BASE);
        List<LossLog.Line> norm = new ArrayList<>(losses(9, k -> BASE));
        norm.set(3, new LossLog.Line(4, BASE, 1e-3, number));

        for (Watchdog watchdog : List.of(WATCHDOG, DISABLED)) {
            assertThat(watchdog.losses(List.of(), loss, BASE))
                    .isEqualTo(new Watchdog.Alarm(7, "the loss was " + number + " and the gradient's norm 1"));
            assertThat(watchdog.losses(List.of(), norm, BASE))
                    .isEqualTo(new Watchdog.Alarm(4, "the loss was 0.5 and the gradient's norm " + number));
        }
    }

    @Test
    void meanLossFarAboveTheBaseModelsIsDivergence() {
        // From step 21 on 5: the mean of 16 is over 4 * 0.5 with the 6th of them.
        List<LossLog.Line> lines = losses(40, k -> k > 20 ? 5 : BASE);

        assertThat(WATCHDOG.losses(List.of(), lines, BASE))
                .isEqualTo(new Watchdog.Alarm(
                        26, "the mean loss of 16 steps was 2.188, over 4 times the base model's 0.5000"));
        assertThat(DISABLED.losses(List.of(), lines, BASE)).isNull();
    }

    @Test
    void singleHighLossesAreNoDivergence() {
        assertThat(WATCHDOG.losses(List.of(), losses(200, k -> k % 16 == 0 ? 20 : 0.3), BASE))
                .isNull();
        assertThat(WATCHDOG.losses(List.of(), losses(Watchdog.WINDOW - 1, k -> 100), BASE))
                .as("fewer losses than the mean is taken over")
                .isNull();
    }

    @Test
    void whatIsSaidOfAStepDoesNotDependOnWhenItWasAsked() {
        long seed = 20261124;
        SplittableRandom random = new SplittableRandom(seed);
        for (int trial = 0; trial < 200; trial++) {
            List<LossLog.Line> lines = losses(60, k -> random.nextDouble() * (k > 30 ? 6 : 1));
            Watchdog.Alarm whole = WATCHDOG.losses(List.of(), lines, BASE);

            Watchdog.Alarm parts = null;
            int from = 0;
            while (parts == null && from < lines.size()) {
                int to = Math.min(lines.size(), from + 1 + random.nextInt(20));
                parts = WATCHDOG.losses(lines.subList(0, from), lines.subList(from, to), BASE);
                from = to;
            }

            assertThat(parts).as("trial %d, seed %d", trial, seed).isEqualTo(whole);
        }
    }

    @Test
    void adapterThatVanishesIsAnAlarm() {
        assertThat(WATCHDOG.norm(100, 0.9, 10))
                .isEqualTo(new Watchdog.Alarm(100, "the adapter's norm fell to 0.9000 from 10.00"));
        assertThat(WATCHDOG.norm(100, 1.1, 10)).isNull();
        assertThat(DISABLED.norm(100, 0.9, 10)).isNull();
        assertThat(DISABLED.norm(100, Double.NaN, 10)).isEqualTo(new Watchdog.Alarm(100, "the adapter's norm was NaN"));
    }
}
