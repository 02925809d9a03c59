package training.lora.trainer.sample;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDManager;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.PromptSpec;
import training.lora.trainer.Goldens;
import training.lora.trainer.adapter.LoraAdapter;
import training.lora.trainer.export.AdapterFiles;
import training.lora.trainer.model.StableDiffusion;

class PicturesOfDiffusersTest {
    private static final Path PICTURES = Goldens.FOLDER.resolve("pictures");

    private static void assertDrawn(String prompt, long seed, @Nullable Path lora, String golden) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                StableDiffusion model = StableDiffusion.open(Goldens.BUNDLED.resolve("emoji-sd"), manager);
                LoraAdapter adapter = lora == null ? null : AdapterFiles.read(lora, model.unet(), manager)) {
            Picture ours = new ImageSampler(model, 20, 5, 128)
                    .draw(List.of(new PromptSpec(prompt, "", seed)), adapter, manager)
                    .get(0);
            Picture theirs = Picture.read(PICTURES.resolve(golden));
            int worst = 0;
            for (int i = 0; i < theirs.rgb().length; i++) {
                worst = Math.max(worst, Math.abs((ours.rgb()[i] & 0xff) - (theirs.rgb()[i] & 0xff)));
            }
            assertThat(worst).as("greatest difference of a pixel").isLessThanOrEqualTo(2);
        }
    }

    @Test
    void basePictureIsDiffusers() {
        assertDrawn("an emoji of a cat face in noto style", 1, null, "base-1.png");
    }

    @ParameterizedTest
    @ValueSource(strings = {"kohya", "peft"})
    void pictureWithAnAdapterFileIsDiffusers(String form) {
        assertDrawn("an emoji of a pear", 7, PICTURES.resolve(form + ".safetensors"), form + "-7.png");
    }
}
