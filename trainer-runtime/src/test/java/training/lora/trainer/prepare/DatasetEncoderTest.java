package training.lora.trainer.prepare;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class DatasetEncoderTest {
    @Test
    void fewerPicturesAreEncodedAtOnceTheLargerTheyAre() {
        assertThat(DatasetEncoder.atOnce(64, 64)).isEqualTo(4);
        assertThat(DatasetEncoder.atOnce(512, 512)).isEqualTo(4);
        assertThat(DatasetEncoder.atOnce(640, 640)).isEqualTo(2);
        assertThat(DatasetEncoder.atOnce(512, 1024)).isEqualTo(2);
        assertThat(DatasetEncoder.atOnce(1024, 1024)).isEqualTo(1);
        assertThat(DatasetEncoder.atOnce(4096, 4096)).isEqualTo(1);
        assertThat(DatasetEncoder.atOnce(1 << 20, 1 << 20)).isEqualTo(1);
    }
}
