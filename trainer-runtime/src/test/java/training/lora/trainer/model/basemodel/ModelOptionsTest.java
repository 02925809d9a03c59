package training.lora.trainer.model.basemodel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Json;
import training.lora.api.ModelFamily;
import training.lora.api.Prediction;
import training.lora.trainer.Goldens;
import training.lora.trainer.files.FileDigests;
import training.lora.trainer.model.StableDiffusion;

/** What is detected of a base model, and what may be set instead. */
class ModelOptionsTest {
    @TempDir
    Path folder;

    @BeforeEach
    void copyOfAnSdxl() throws IOException {
        Path golden = Goldens.FOLDER.resolve("sdxl");
        try (Stream<Path> files = Files.walk(golden)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                Path target = folder.resolve(golden.relativize(file));
                Files.createDirectories(target.getParent());
                Files.copy(file, target);
            }
        }
    }

    private static ModelOptions options(@Nullable Prediction prediction, @Nullable Boolean zero, @Nullable Path vae) {
        return ModelOptions.DEFAULT.withSchedule(prediction, zero).withVae(vae);
    }

    private void change(String file, String key, Object value) throws IOException {
        Path path = folder.resolve(file);
        ObjectNode node = (ObjectNode) Json.MAPPER.readTree(path.toFile());
        node.set(key, Json.MAPPER.valueToTree(value));
        Json.MAPPER.writeValue(path.toFile(), node);
    }

    private Schedule schedule(ModelOptions options) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                StableDiffusion model = StableDiffusion.open(folder, options, manager)) {
            return model.schedule();
        }
    }

    @Test
    void predictionAndZeroTerminalSnrAreDetected() throws IOException {
        assertThat(schedule(ModelOptions.DEFAULT).prediction()).isEqualTo(Prediction.Epsilon);
        change("scheduler/scheduler_config.json", "prediction_type", "v_prediction");
        change("scheduler/scheduler_config.json", "rescale_betas_zero_snr", true);

        Schedule detected = schedule(ModelOptions.DEFAULT);

        assertThat(detected.prediction()).isEqualTo(Prediction.V);
        assertThat(detected.zeroTerminalSnr()).isTrue();
        assertThat(detected.spacing()).isEqualTo(Schedule.Spacing.Leading);
    }

    @Test
    void whatIsSetGoesBeforeWhatIsDetected() {
        Schedule set = schedule(options(Prediction.V, true, null));

        assertThat(set.prediction()).isEqualTo(Prediction.V);
        assertThat(set.zeroTerminalSnr()).isTrue();
        assertThat(set.spacing()).isEqualTo(Schedule.Spacing.Trailing);
    }

    @Test
    void zeroTerminalSnrOfNoiseIsRefused() {
        assertThatThrownBy(() -> schedule(options(null, true, null)))
                .hasMessageContaining("zero-terminal SNR needs prediction V, but the model predicts Epsilon");
    }

    @Test
    void anotherFamilyThanAskedForIsRefused() {
        assertThatThrownBy(() -> schedule(ModelOptions.DEFAULT.withFamily(ModelFamily.SD15)))
                .hasMessageContaining("`spec.baseModel.family` must be SDXL")
                .hasMessageContaining("was SD15");
    }

    @Test
    void replacementAutoencoderDecodesInTheModelsPlace() throws IOException {
        Path own = folder.resolve("vae");
        Path other = folder.resolve("other");
        Files.move(own, other);
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                StableDiffusion plain = StableDiffusion.open(Goldens.FOLDER.resolve("sdxl"), manager);
                StableDiffusion replaced = StableDiffusion.open(folder, options(null, null, other), manager)) {
            NDArray latents = manager.ones(new ai.djl.ndarray.types.Shape(1, 4, 8, 8));

            assertThat(replaced.vae().decode(latents).toFloatArray())
                    .containsExactly(plain.vae().decode(latents).toFloatArray());
            assertThat(ModelDigest.of(folder, other, FileDigests.computed()))
                    .isNotEqualTo(ModelDigest.of(folder, null, FileDigests.computed()));
        }
    }

    @Test
    void autoencoderOfOtherLatentsIsRefused() throws IOException {
        change("unet/config.json", "in_channels", 8);
        change("unet/config.json", "out_channels", 8);
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                StableDiffusion model = StableDiffusion.open(folder, manager)) {
            assertThatThrownBy(model::vae)
                    .hasMessageContaining("latents of 8 channels")
                    .hasMessageContaining("has 4");
        }
    }
}
