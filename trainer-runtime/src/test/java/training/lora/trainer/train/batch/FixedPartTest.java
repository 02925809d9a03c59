package training.lora.trainer.train.batch;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import training.lora.trainer.dataset.Buckets;
import training.lora.trainer.model.unet.PictureSizes;

class FixedPartTest {
    @Test
    void fixedSetIsMeasuredInPartsOfOneSize() {
        Buckets buckets = Buckets.of(
                IntStream.of(512, 640, 512, 512).mapToObj(PictureSizes::square).toList());

        List<FixedPart> parts = FixedPart.of(new int[] {0, 1, 2, 3}, 6, 2, buckets);

        assertThat(parts.stream().map(part -> Arrays.toString(part.items())))
                .containsExactly("[0, 2]", "[1, 5]", "[3, 4]");
        assertThat(parts.get(1).samples()).containsExactly(1, 1);
    }
}
