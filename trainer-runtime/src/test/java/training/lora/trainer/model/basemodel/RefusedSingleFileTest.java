package training.lora.trainer.model.basemodel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.model.StableDiffusion;
import training.lora.trainer.model.weights.ModelFiles;
import training.lora.trainer.tensor.SafeTensors;
import training.lora.trainer.tensor.SafeTensorsWriter;

/** Single files that can't be trained on, which is said of each by name. */
class RefusedSingleFileTest {
    private static final Path SOME = Path.of("some.safetensors");

    @TempDir
    Path folder;

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            a Stable Diffusion 2 checkpoint | INPUT 4x4x3x3, KEY 4x1024
            a Stable Diffusion 2 checkpoint | INPUT 4x4x3x3, cond_stage_model.model.ln_final.weight 4
            an inpainting checkpoint        | INPUT 4x9x3x3, KEY 4x768
            an inpainting checkpoint        | INPUT 4x9x3x3, conditioner.embedders.1.model.ln_final.weight 4
            an InstructPix2Pix checkpoint   | INPUT 4x8x3x3, KEY 4x768
            a checkpoint whose denoiser takes 7 channels | INPUT 4x7x3x3, KEY 4x1024
            a Stable Diffusion XL refiner   | INPUT 4x4x3x3, conditioner.embedders.0.model.ln_final.weight 4
            a Playground 2.5 checkpoint     | INPUT 4x4x3x3, edm_mean 1x4x1x1
            a video checkpoint              | INPUT 4x8x3x3, model.diffusion_model.input_blocks.1.0.time_stack.in_layers.0.bias 4
            a checkpoint of an unknown architecture, whose denoiser reads texts of width 640 | INPUT 4x4x3x3, KEY 4x640
            a Stable Diffusion 3 model      | model.diffusion_model.joint_blocks.0.x_block.mlp.fc1.bias 4
            a Flux model                    | double_blocks.0.img_attn.proj.weight 4x4
            a ControlNet                    | control_model.input_blocks.0.0.weight 4x4x3x3
            the UNet of a diffusers model   | down_blocks.0.resnets.0.conv1.weight 4x4x3x3
            a VAE                           | first_stage_model.decoder.conv_in.weight 4x4x3x3
            an adapter, such as a LoRA      | lora_unet_mid_block_attentions_0_proj_in.alpha 1
            a file of unknown tensors, such as x.weight | x.weight 4
            """)
    void otherArchitecturesAreRefusedByName(String what, String tensors) {
        assertRefused(
                () -> SingleFile.of(SOME, SingleGoldens.entries(tensors), Map.of()),
                SOME + " must be a checkpoint of Stable Diffusion 1.x or SDXL, but is " + what);
    }

    private static void assertRefused(Runnable opening, String... parts) {
        assertThatThrownBy(opening::run)
                .isInstanceOfSatisfying(
                        TrainerException.class, e -> assertThat(e.reason()).isEqualTo(Reason.InvalidBaseModel))
                .satisfies(e -> assertThat(e.getMessage()).contains(parts));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            model.diffusion_model.input_blocks.1.0.in_layers.0.weight            | -      | must hold
            model.diffusion_model.input_blocks.1.0.out_layers.3.weight           | 33x32x3x3 | is a multiple of 32
            cond_stage_model.transformer.text_model.embeddings.token_embedding.weight    | 400x64 | have 49408 rows, CLIP's vocabulary, for a single file has no tokenizer
            cond_stage_model.transformer.text_model.embeddings.token_embedding.weight    | -      | must hold
            cond_stage_model.transformer.text_model.embeddings.position_embedding.weight | 248x64 | have 77 rows
            """)
    void shapeThatFitsNoFamilyIsNamed(String key, String shape, String what) throws IOException {
        Map<String, SafeTensors.Entry> header = SingleGoldens.header("tiny-sd15");
        header.remove(key);
        if (!shape.equals("-")) {
            header.putAll(SingleGoldens.entries(key + " " + shape));
        }

        assertRefused(() -> SingleFile.of(SOME, header, Map.of()), key, SOME.toString(), what);
    }

    @Test
    void textEncoderOfAnotherWidthThanTheDenoiserReadsIsRefused() throws IOException {
        Map<String, SafeTensors.Entry> header = SingleGoldens.header("tiny-sd15");
        header.putAll(SingleGoldens.entries(SingleGoldens.KEY + " 64x128"));

        assertRefused(
                () -> SingleFile.of(SOME, header, Map.of()),
                SOME + " must have text encoders whose text is 128 wide, as its denoiser reads it, was 64");
    }

    @Test
    void everyTensorThatTheDenoiserLacksOrHasTooMuchIsNamed() throws IOException {
        Path file = SingleGoldens.changed(folder, "tiny-sd15", Map.of(), tensors -> {
            tensors.remove("model.diffusion_model.output_blocks.0.0.in_layers.0.bias");
            SingleGoldens.rename(
                    tensors,
                    "model.diffusion_model.time_embed.2.bias",
                    "model.diffusion_model.time_embed.cond_proj.weight");
        });
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                StableDiffusion model = StableDiffusion.open(file, manager)) {
            assertRefused(
                    model::unet,
                    file + " must hold the weights of the network that its first tensors belong to",
                    "up_blocks.0.resnets.0.norm1.bias is missing",
                    "time_embedding.linear_2.bias is missing",
                    "model.diffusion_model.time_embed.cond_proj.weight is left over");
        }
    }

    @Test
    void checkpointWithoutAnAutoencoderNamesTheTensorThatItLacks() throws IOException {
        Path file = SingleGoldens.changed(folder, "tiny-sd15", Map.of(), tensors -> tensors.keySet()
                .removeIf(k -> k.startsWith("first_stage_model.")));
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                StableDiffusion model = StableDiffusion.open(file, manager)) {
            assertRefused(model::vae, file + " must hold first_stage_model.encoder.down.0.block.0.conv1.weight");
        }
    }

    @Test
    void fileWithoutAnAutoencoderIsRefusedInItsPlace() throws IOException {
        Path base = folder.resolve("base.safetensors");
        SingleGoldens.writeFile("tiny-sd15", base);
        Path lora = folder.resolve("lora.safetensors");
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            SafeTensorsWriter.write(
                    lora, Map.of("lora_unet_conv_in.lora_down.weight", manager.ones(new Shape(2, 4))), Map.of());
            try (StableDiffusion model = StableDiffusion.open(base, ModelOptions.DEFAULT.withVae(lora), manager)) {
                assertRefused(
                        model::vae,
                        lora + " must hold an autoencoder of Stable Diffusion, but is an adapter, such as a LoRA");
            }
        }
    }

    @Test
    void weightsOfATypeThatCannotBeReadAreRefused() throws IOException {
        Path file = folder.resolve("eight-bits.safetensors");
        SingleGoldens.writeFile("tiny-sd15", file);
        byte[] bytes = Files.readAllBytes(file);
        byte[] from = "\"F16\"".getBytes(StandardCharsets.US_ASCII);
        byte[] to = "\"F8?\"".getBytes(StandardCharsets.US_ASCII);
        int body =
                8 + (int) ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong(0);
        for (int i = 8; i < body; i++) {
            if (Arrays.equals(bytes, i, i + from.length, from, 0, from.length)) {
                System.arraycopy(to, 0, bytes, i, to.length);
            }
        }
        Files.write(file, bytes);
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                StableDiffusion model = StableDiffusion.open(file, manager)) {
            assertRefused(model::unet, "weights must be of type F64, F32, F16 or BF16, but some are F8?");
        }
    }

    @Test
    void aPageOrPointerInTheModelsPlaceIsTold() throws IOException {
        Path page = Files.writeString(folder.resolve("v1-5.safetensors"), "<!DOCTYPE html><html>");
        Path whole = folder.resolve("base.safetensors");
        SingleGoldens.writeFile("tiny-sd15", whole);
        Path vae = Files.createDirectories(folder.resolve("vae"));
        Files.writeString(vae.resolve("config.json"), "{}");
        Path pointer = Files.writeString(
                vae.resolve("diffusion_pytorch_model.safetensors"), "version https://git-lfs.github.com/spec/v1\n");

        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            assertRefused(
                    () -> StableDiffusion.open(page, manager), page + " must be a whole safetensors file", "HTML");
            assertRefused(
                    () -> ModelFiles.weights(vae, "diffusion_pytorch_model"), pointer.toString(), "a Git LFS pointer");
            try (StableDiffusion model = StableDiffusion.open(whole, ModelOptions.DEFAULT.withVae(page), manager)) {
                assertRefused(model::vae, page.toString(), "HTML");
            }
        }
    }
}
