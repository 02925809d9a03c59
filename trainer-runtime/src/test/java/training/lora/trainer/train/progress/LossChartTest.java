package training.lora.trainer.train.progress;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;
import training.lora.trainer.sample.Picture;
import training.lora.trainer.trained.LossLog;

class LossChartTest {
    private static final List<LossLog.Line> LINES =
            List.of(new LossLog.Line(1, 0.5, 1e-4, 1), new LossLog.Line(2, 0.4, 1e-4, 1));

    /** Pixels of the colour of the held-out pictures. */
    private static int orange(Picture picture) {
        int count = 0;
        for (int i = 0; i < picture.rgb().length; i += 3) {
            boolean same = (picture.rgb()[i] & 0xff) == 230
                    && (picture.rgb()[i + 1] & 0xff) == 100
                    && (picture.rgb()[i + 2] & 0xff) == 40;
            count += same ? 1 : 0;
        }
        return count;
    }

    @Test
    void lossOnHeldOutPicturesIsDrawnWhereItWasMeasured() {
        List<LossLog.Line> measured = List.of(LINES.get(0), LINES.get(1).with(0.45));

        assertThat(orange(LossChart.draw(LINES, null, "t"))).isZero();
        assertThat(orange(LossChart.draw(measured, 0.6, "t"))).isGreaterThan(500);
    }
}
