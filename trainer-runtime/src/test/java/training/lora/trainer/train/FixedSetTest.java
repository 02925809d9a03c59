package training.lora.trainer.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Which pictures stand in the fixed sets. */
class FixedSetTest {
    private static int[] range(int from, int to) {
        return IntStream.range(from, to).toArray();
    }

    @Test
    void everyConceptHasAsManyItemsWhereverItsPicturesStand() {
        int[] items = FixedSet.turns(List.of(range(0, 500), range(500, 503), range(503, 513)), 32);

        assertThat(items).hasSize(32);
        assertThat(Arrays.stream(items).filter(i -> i < 500)).hasSize(11).doesNotHaveDuplicates();
        assertThat(Arrays.stream(items).filter(i -> i >= 500 && i < 503)).hasSize(11);
        assertThat(Arrays.stream(items).filter(i -> i >= 503)).hasSize(10).doesNotHaveDuplicates();
    }

    @Test
    void picturesOfALargeConceptComeFromAllOfIt() {
        assertThat(FixedSet.turns(List.of(range(0, 100)), 4)).containsExactly(12, 37, 62, 87);
    }

    @Test
    void fewPicturesTakeTurns() {
        assertThat(FixedSet.turns(List.of(range(0, 3)), 7)).containsExactly(0, 1, 2, 0, 1, 2, 0);
    }

    @Test
    void heldOutDataSetsAreSpreadOverAllItems() {
        assertThat(FixedSet.interleaved(List.of(range(0, 4), range(4, 6)))).containsExactly(0, 4, 1, 2, 5, 3);
        assertThat(FixedSet.interleaved(List.of(range(0, 9)))).isEqualTo(range(0, 9));
    }
}
