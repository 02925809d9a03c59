package training.lora.trainer.sample;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDManager;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import training.lora.api.PromptSpec;
import training.lora.trainer.Goldens;
import training.lora.trainer.model.StableDiffusion;

class SdxlPictureTest {
    private static final Path MODEL = Goldens.FOLDER.resolve("sdxl");

    @Test
    void pictureIsThatOfDiffusers() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                StableDiffusion model = StableDiffusion.open(MODEL, manager)) {
            Picture drawn = new ImageSampler(model, 6, 5, 64)
                    .draw(List.of(new PromptSpec("a cat", "", 5L)), null, manager)
                    .get(0);

            byte[] expected = Picture.read(MODEL.resolve("picture.png")).rgb();
            assertThat(drawn.rgb()).hasSameSizeAs(expected);
            int farthest = 0;
            for (int i = 0; i < expected.length; i++) {
                farthest = Math.max(farthest, Math.abs((drawn.rgb()[i] & 0xff) - (expected[i] & 0xff)));
            }
            assertThat(farthest).as("greatest difference of a channel, of 255").isLessThanOrEqualTo(2);
        }
    }
}
