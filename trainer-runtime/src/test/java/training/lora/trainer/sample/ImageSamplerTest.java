package training.lora.trainer.sample;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDManager;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.PromptSpec;
import training.lora.trainer.model.StableDiffusion;

class ImageSamplerTest {
    private static final Path MODEL = Path.of("../examples/bundled/emoji-sd");

    @TempDir
    Path folder;

    @Test
    void pictureDoesNotDependOnItsNeighbours() throws Exception {
        PromptSpec cat = new PromptSpec("an emoji of a cat face", "", 1L);
        PromptSpec dog = new PromptSpec("an emoji of a dog face", "", 2L);
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                StableDiffusion model = StableDiffusion.open(MODEL, manager)) {
            ImageSampler sampler = new ImageSampler(model, 4, 5, 128);

            List<Picture> both = sampler.draw(List.of(cat, dog), null, manager);
            Picture alone = sampler.draw(List.of(dog), null, manager).get(0);

            assertThat(farthest(both.get(1), alone)).isLessThanOrEqualTo(1);
            assertThat(farthest(both.get(0), alone)).isGreaterThan(50);

            Path file = folder.resolve("dog.png");
            alone.write(file);
            assertThat(farthest(Picture.read(file), alone)).isZero();
        }
    }

    @Test
    void embeddedPromptsAreDrawnToTheSameBitsWithoutTextEncoders() throws Exception {
        Path base = folder.resolve("base");
        try (Stream<Path> files = Files.walk(MODEL)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                Path copy = base.resolve(MODEL.relativize(file).toString());
                Files.createDirectories(copy.getParent());
                Files.copy(file, copy);
            }
        }
        List<PromptSpec> prompts = List.of(
                new PromptSpec("an emoji of a cat face", "", 1L), new PromptSpec("an emoji of a dog face", "blue", 2L));
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                StableDiffusion model = StableDiffusion.open(base, manager)) {
            List<Picture> before = new ImageSampler(model, 2, 5, 128).draw(prompts, null, manager);
            ImageSampler sampler = new ImageSampler(model, 2, 5, 128);
            sampler.embed(prompts, manager);

            model.releasePrompts();
            model.releaseVae();
            Files.delete(base.resolve("text_encoder/model.safetensors"));

            List<Picture> after = sampler.draw(prompts, null, manager);
            for (int i = 0; i < prompts.size(); i++) {
                assertThat(after.get(i).rgb()).isEqualTo(before.get(i).rgb());
            }
            model.releaseVae();
            Files.delete(base.resolve("vae/diffusion_pytorch_model.safetensors"));
            assertThat(model.factor()).isEqualTo(8);
            assertThatThrownBy(model::vae).as("what was let go is read again").hasMessageContaining("vae");
            assertThatThrownBy(model::prompts).hasMessageContaining("text_encoder");
        }
    }

    static int farthest(Picture a, Picture b) {
        assertThat(a.width()).isEqualTo(b.width());
        assertThat(a.height()).isEqualTo(b.height());
        int farthest = 0;
        for (int i = 0; i < a.rgb().length; i++) {
            farthest = Math.max(farthest, Math.abs((a.rgb()[i] & 0xff) - (b.rgb()[i] & 0xff)));
        }
        return farthest;
    }
}
