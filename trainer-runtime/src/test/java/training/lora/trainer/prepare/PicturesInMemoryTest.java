package training.lora.trainer.prepare;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class PicturesInMemoryTest {
    private static final long PHOTO = PicturesInMemory.PIXELS / 4;

    @Test
    void largePicturesAreFewerAtATimeThanSmallOnes() {
        PicturesInMemory small = new PicturesInMemory(8);
        PicturesInMemory large = new PicturesInMemory(8);

        for (int i = 0; i < 8; i++) {
            assertThat(small.tryEnter(i, 1 << 18)).isTrue();
            assertThat(large.tryEnter(i, PHOTO)).isEqualTo(i < 4);
        }
        assertThat(small.tryEnter(8, 1)).isFalse();

        large.leave(2);
        assertThat(large.tryEnter(8, PHOTO)).isTrue();
        assertThat(large.tryEnter(9, 1)).isFalse();
    }

    @Test
    void pictureThatIsLargerThanAllRoomIsAloneThere() throws InterruptedException {
        PicturesInMemory pictures = new PicturesInMemory(8);

        pictures.enter(0, Long.MAX_VALUE);

        assertThat(pictures.tryEnter(1, 1)).isFalse();
        pictures.leave(0);
        // The header doesn't tell how large it is.
        assertThat(pictures.tryEnter(1, 0)).isTrue();
        assertThat(pictures.tryEnter(2, PicturesInMemory.PIXELS)).isFalse();
    }

    @Test
    void partsOfAPictureAreReleasedOnceWhenItLeavesOrInTheEnd() {
        PicturesInMemory pictures = new PicturesInMemory(8);
        List<String> released = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            String name = Integer.toString(i);
            assertThat(pictures.tryEnter(i, 1)).isTrue();
            pictures.hold(i, () -> released.add("photo " + name));
            pictures.hold(i, () -> released.add("mask " + name));
        }

        pictures.leave(1);
        pictures.leave(1);
        assertThat(released).containsExactly("photo 1", "mask 1");

        pictures.leaveAll();
        assertThat(released).containsExactly("photo 1", "mask 1", "photo 0", "mask 0");
    }
}
