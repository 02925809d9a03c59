package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Json;
import training.lora.api.Manifest;

/** A run whose data, base model or spec change between two commands. */
abstract class ChangingRun {
    @TempDir
    Path folder;

    TinyRun tiny;

    String[] settings = {};

    @BeforeEach
    void tinyRun() throws IOException {
        tiny = TinyRun.create(folder, "steps: 2, precision: Float32, adapter: {rank: 2}, watchdog: {enabled: false}");
    }

    Ran run(String command) {
        return tiny.run(command, settings);
    }

    void ends(String command) {
        Ran ended = run(command);
        assertThat(ended.code()).as(ended.error()).isZero();
    }

    Manifest manifest() throws IOException {
        return Json.MAPPER.readValue(
                tiny.workspace().resolve("output/manifest.json").toFile(), Manifest.class);
    }

    /** Changes a base model's autoencoder in its last weight. */
    static void change(Path base) throws IOException {
        Path file = base.resolve("vae/diffusion_pytorch_model.safetensors");
        byte[] bytes = Files.readAllBytes(file);
        bytes[bytes.length - 2] ^= 1;
        Files.write(file, bytes);
    }
}
