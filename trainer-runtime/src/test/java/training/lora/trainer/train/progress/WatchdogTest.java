package training.lora.trainer.train.progress;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.function.IntToDoubleFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.WatchdogSpec;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.trained.LossLog;

class WatchdogTest {
    private static final double BASE = 0.5;

    /** The base model's loss on the batches of any step. */
    private static final IntToDoubleFunction SAME = k -> BASE;

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
            assertThat(watchdog.losses(List.of(), loss, BASE, SAME))
                    .isEqualTo(new Watchdog.Alarm(7, "the loss was " + number + " and the gradient's norm 1"));
            assertThat(watchdog.losses(List.of(), norm, BASE, SAME))
                    .isEqualTo(new Watchdog.Alarm(4, "the loss was 0.5 and the gradient's norm " + number));
        }
    }

    @Test
    void meanLossFarAboveTheBaseModelsIsDivergence() {
        // From step 21 on 5: the mean of 16 is over 4 * 0.5 with the 6th of them.
        List<LossLog.Line> lines = losses(40, k -> k > 20 ? 5 : BASE);

        assertThat(WATCHDOG.losses(List.of(), lines, BASE, SAME))
                .isEqualTo(
                        new Watchdog.Alarm(
                                26,
                                "the mean loss of 16 steps was 2.188, over 4 times the base model's 0.5000 on the same batches"));
        assertThat(DISABLED.losses(List.of(), lines, BASE, SAME)).isNull();
    }

    @Test
    void lossesThatAreHighBecauseOfWhatWasDrawnAreNoDivergence() {
        // Now and then a picture of weight 100; the adapter halves the base model's loss.
        IntToDoubleFunction drawn = k -> k % 40 < 2 ? 100 : 1;

        assertThat(WATCHDOG.losses(List.of(), losses(200, k -> drawn.applyAsDouble(k) / 2), BASE, drawn))
                .isNull();
        assertThat(WATCHDOG.losses(List.of(), losses(200, k -> drawn.applyAsDouble(k) * 5), BASE, drawn))
                .isEqualTo(
                        new Watchdog.Alarm(
                                16,
                                "the mean loss of 16 steps was 35.94, over 4 times the base model's 7.188 on the same batches"));
    }

    @Test
    void baseModelIsNotAskedWhereLossesAreAsAtTheBeginning() {
        IntToDoubleFunction never = k -> {
            throw new AssertionError("asked for step " + k);
        };

        assertThat(WATCHDOG.losses(List.of(), losses(200, k -> BASE * 3), BASE, never))
                .isNull();
        assertThat(DISABLED.losses(List.of(), losses(200, k -> 99), BASE, never))
                .isNull();
    }

    @Test
    void singleHighLossesAreNoDivergence() {
        assertThat(WATCHDOG.losses(List.of(), losses(200, k -> k % 16 == 0 ? 20 : 0.3), BASE, SAME))
                .isNull();
        assertThat(WATCHDOG.losses(List.of(), losses(Watchdog.WINDOW - 1, k -> 100), BASE, SAME))
                .as("fewer losses than the mean is taken over")
                .isNull();
    }

    @Test
    void whatIsSaidOfAStepDoesNotDependOnWhenItWasAsked() {
        long seed = 20261124;
        SplittableRandom random = new SplittableRandom(seed);
        for (int trial = 0; trial < 200; trial++) {
            List<LossLog.Line> lines = losses(60, k -> random.nextDouble() * (k > 30 ? 6 : 1));
            Watchdog.Alarm whole = WATCHDOG.losses(List.of(), lines, BASE, SAME);

            Watchdog.Alarm parts = null;
            int from = 0;
            while (parts == null && from < lines.size()) {
                int to = Math.min(lines.size(), from + 1 + random.nextInt(20));
                parts = WATCHDOG.losses(lines.subList(0, from), lines.subList(from, to), BASE, SAME);
                from = to;
            }

            assertThat(parts).as("trial %d, seed %d", trial, seed).isEqualTo(whole);
        }
    }

    @Test
    void adapterThatVanishesIsAnAlarm() {
        Map<Component, Double> before = Map.of(Component.UNet, 10.0, Component.TextEncoder, 1.0);

        assertThat(WATCHDOG.norms(100, Map.of(Component.UNet, 0.9), before))
                .isEqualTo(new Watchdog.Alarm(100, "the norm of what is trained in UNet fell to 0.9000 from 10.00"));
        assertThat(WATCHDOG.norms(100, Map.of(Component.UNet, 1.1), before)).isNull();
        assertThat(DISABLED.norms(100, Map.of(Component.UNet, 0.9), before)).isNull();
        assertThat(DISABLED.norms(100, Map.of(Component.UNet, Double.NaN), before))
                .isEqualTo(new Watchdog.Alarm(100, "the norm of what is trained in UNet was NaN"));
    }

    @Test
    void partThatVanishesBesideALargerOneIsAnAlarm() {
        Map<Component, Double> before = Map.of(Component.UNet, 10.0, Component.TextEncoder, 1.0);

        assertThat(WATCHDOG.norms(100, Map.of(Component.UNet, 12.0, Component.TextEncoder, 0.05), before))
                .isEqualTo(new Watchdog.Alarm(
                        100, "the norm of what is trained in TextEncoder fell to 0.05000 from 1.000"));
    }

    @Test
    void newAdapterThatAddsNothingYetHasNotCollapsed() {
        assertThat(WATCHDOG.norms(0, Map.of(Component.UNet, 0.0), Map.of())).isNull();
        assertThat(WATCHDOG.norms(100, Map.of(Component.UNet, 1e-9), Map.of(Component.UNet, 0.0)))
                .isNull();
    }
}
