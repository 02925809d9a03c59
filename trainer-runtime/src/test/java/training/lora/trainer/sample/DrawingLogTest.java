package training.lora.trainer.sample;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** How often the log tells how far the pictures are. */
class DrawingLogTest {
    private long seconds;

    /** What is said of 2 pictures one after the other, of 3 steps that take {@code each} seconds. */
    private List<String> said(long each) {
        DrawingLog log = new DrawingLog(2, 3, () -> TimeUnit.SECONDS.toNanos(seconds));
        List<String> said = new ArrayList<>();
        for (int picture = 0; picture < 2; picture++) {
            for (int step = 1; step <= 3; step++) {
                seconds += each;
                String phrase = log.step(picture, step);
                if (phrase != null) {
                    said.add(phrase);
                }
            }
        }
        return said;
    }

    @Test
    void picturesThatTakeSecondsAreNotCommentedOn() {
        assertThat(said(4)).isEmpty();
    }

    @Test
    void picturesThatTakeLongAreToldOfEveryHalfMinute() {
        assertThat(said(20))
                .containsExactly(
                        "drew 0 of 2 pictures, and 2 of 3 steps of the next",
                        "drew 1 of 2 pictures, and 1 of 3 steps of the next",
                        "drew 1 of 2 pictures, and 3 of 3 steps of the next");
    }
}
