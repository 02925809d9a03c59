package training.lora.trainer.prepare;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import training.lora.trainer.prepare.PrepareProgress.Part;

class PrepareProgressTest {
    private final List<String> told = new ArrayList<>();
    private final PrepareProgress progress = new PrepareProgress(
            10, (done, all, seconds) -> told.add(done + "/" + all + (seconds == null ? "" : " with time left")));

    @Test
    void partsFollowEachOtherToTheEnd() {
        progress.tell(Part.READ, 5, 10);
        progress.tell(Part.READ, 10, 10);
        progress.tell(Part.CAPTIONED, 4, 4);
        progress.tell(Part.EMBEDDED, 20, 20);
        progress.tell(Part.ENCODED, 10, 20);
        progress.tell(Part.ENCODED, 20, 20);

        assertThat(told)
                .containsExactly(
                        "0/40", "5/40", "10/40", "20/40", "30/40", "35/40 with time left", "40/40 with time left");
    }

    @Test
    void whatIsKeptCountsAsDoneAndNothingGoesBack() {
        progress.tell(Part.READ, 10, 10);
        progress.tell(Part.EMBEDDED, 10, 10);
        progress.tell(Part.EMBEDDED, 1, 10);
        progress.tell(Part.ENCODED, 0, 0);

        assertThat(told).containsExactly("0/40", "10/40", "30/40", "40/40 with time left");
    }
}
