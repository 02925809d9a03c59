package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.Goldens;

/** Base models whose weights are damaged so that they can be read, but give no numbers. */
class FiniteNumbersTest {
    private static final String WEIGHTS = "diffusion_pytorch_model.safetensors";

    @TempDir
    Path folder;

    /** Replaces the first number of the tensor {@code name}. */
    private static void damage(Path file, String name, float number) throws IOException {
        damage(file, name, 0, number);
    }

    private static void damage(Path file, String name, int index, float number) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
        int header = (int) bytes.getLong(0);
        JsonNode entries = Json.MAPPER.readTree(new String(bytes.array(), 8, header, StandardCharsets.UTF_8));
        JsonNode entry = entries.get(name);
        int at = 8 + header + entry.at("/data_offsets/0").asInt();
        if (entry.get("dtype").asText().equals("F16")) {
            bytes.putShort(at + 2 * index, (short) (Float.isNaN(number) ? 0x7E00 : 0x7C00));
        } else {
            bytes.putFloat(at + 4 * index, number);
        }
        Files.write(file, bytes.array());
    }

    private static void assertRefused(TinyRun tiny, Ran ended, String sentence) {
        assertThat(ended.code()).isEqualTo(Reason.InvalidBaseModel.exitCode());
        assertThat(ended.error()).contains(sentence);
        assertThat(tiny.workspace().resolve("dataset")).doesNotExist();
        assertThat(tiny.workspace().resolve(".dataset.tmp")).doesNotExist();
    }

    @ParameterizedTest
    @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY})
    void latentsAreRefusedWithPictureAutoencoderAndTheWayOut(float number) throws IOException {
        TinyRun tiny = TinyRun.create(folder, "steps: 2, adapter: {rank: 2}");
        damage(folder.resolve("base/vae").resolve(WEIGHTS), "encoder.conv_in.bias", number);

        Ran ended = tiny.run("prepare");

        assertRefused(
                tiny,
                ended,
                "the latents of main/bat.png must be finite numbers, but the autoencoder of the base model base gives others:"
                        + " its weights are damaged, as by a conversion to fp16 that overflowed. Name another in"
                        + " `spec.baseModel.vae`; it computes in fp32 whatever `spec.training.precision` says");
    }

    /** Only the deviation is no number then; the mean would let it pass. */
    @Test
    void deviationsOfLatentsCountToo() throws IOException {
        TinyRun tiny = TinyRun.create(folder, "steps: 2, adapter: {rank: 2}");
        Path vae = folder.resolve("base/vae");
        int channels = Json.MAPPER
                .readTree(vae.resolve("config.json").toFile())
                .path("latent_channels")
                .asInt(4);
        damage(vae.resolve(WEIGHTS), "quant_conv.bias", channels, Float.NaN);

        assertRefused(tiny, tiny.run("prepare"), "the latents of main/bat.png must be finite numbers");
    }

    @Test
    void anotherAutoencoderHelpsAndIsNamedWhereItIsDamagedItself() throws IOException {
        TinyRun tiny = TinyRun.create(folder, "steps: 2, adapter: {rank: 2}");
        damage(folder.resolve("base/vae").resolve(WEIGHTS), "encoder.conv_in.bias", Float.NaN);
        Path other = Files.createDirectories(folder.resolve("other"));
        for (String name : new String[] {"config.json", WEIGHTS}) {
            Files.copy(Goldens.FOLDER.resolve("vae-a").resolve(name), other.resolve(name));
        }

        assertThat(tiny.run("prepare", "--set", "baseModel.vae={uri: other}").code())
                .isZero();

        damage(other.resolve(WEIGHTS), "encoder.conv_in.bias", Float.NaN);
        Ran ended = tiny.run("prepare", "--set", "baseModel.vae={uri: other}");
        assertThat(ended.code()).isEqualTo(Reason.InvalidBaseModel.exitCode());
        assertThat(ended.error()).contains("but the autoencoder `spec.baseModel.vae` other gives others");
    }

    @Test
    void forSdxlTheAutoencodersThatArePublishedAreNamed() throws IOException {
        TinyRun tiny = TinyRun.createXl(folder, "steps: 2, adapter: {rank: 2}", "{enabled: false}");
        damage(folder.resolve("base/vae").resolve(WEIGHTS), "encoder.conv_in.bias", Float.NaN);

        assertRefused(
                tiny,
                tiny.run("prepare"),
                "Name another in `spec.baseModel.vae`, for SDXL the original in fp32 or sdxl-vae-fp16-fix;");
    }

    @Test
    void embeddingsAreRefusedWithTheCaption() throws IOException {
        TinyRun tiny = TinyRun.create(folder, "steps: 2, adapter: {rank: 2}");
        damage(folder.resolve("base/text_encoder/model.safetensors"), "final_layer_norm.bias", Float.POSITIVE_INFINITY);

        assertRefused(
                tiny,
                tiny.run("prepare"),
                "the embedding of the empty caption must be finite numbers, but the text encoder of the base model base gives others");
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void denoiserIsFoundOutBeforeAnythingIsTrained(boolean watched) throws IOException {
        TinyRun tiny =
                TinyRun.create(folder, "steps: 2, adapter: {rank: 2}, watchdog: {enabled: %s}".formatted(watched));
        damage(folder.resolve("base/unet").resolve(WEIGHTS), "conv_in.bias", Float.NaN);
        assertThat(tiny.run("prepare").code()).isZero();

        Ran ended = tiny.run("train");

        assertThat(ended.code()).isEqualTo(Reason.InvalidBaseModel.exitCode());
        assertThat(ended.error())
                .contains(
                        "the loss must be a finite number before anything is trained, was NaN: weights of the base model base are damaged");
        assertThat(tiny.states()).isEmpty();
    }
}
