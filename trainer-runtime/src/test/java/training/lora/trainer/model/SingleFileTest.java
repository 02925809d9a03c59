package training.lora.trainer.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Json;
import training.lora.api.ModelFamily;
import training.lora.api.Precision;
import training.lora.api.Prediction;
import training.lora.api.Reason;
import training.lora.trainer.Goldens;
import training.lora.trainer.TrainerException;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.SafeTensors;
import training.lora.trainer.tensor.SafeTensorsWriter;

/** Files in the original code's names; the tiny SDXL is made by src/test/goldens/single_goldens.py. */
class SingleFileTest {
    private static final Path FOLDER = Goldens.FOLDER.resolve("sdxl");
    private static final Path SINGLE = FOLDER.resolve("single.safetensors");
    private static final List<Tokens> TOKENS = List.of(new Tokens(new long[] {60, 55, 27, 61}, false));

    @TempDir
    Path temporary;

    /** What a tiny model's folder describes, in the place of the published architecture. */
    private static ObjectNode description() throws IOException {
        ObjectNode all = Json.MAPPER.createObjectNode();
        for (String part : List.of("unet", "vae", "text_encoder", "text_encoder_2")) {
            all.set(part, Json.MAPPER.readTree(FOLDER.resolve(part + "/config.json").toFile()));
        }
        return all;
    }

    @Test
    void everyNetworkIsThatOfTheFolder() throws IOException {
        SingleFile single = new SingleFile(SINGLE, ModelFamily.SDXL, description());
        DiffusersFolder folder = DiffusersFolder.open(FOLDER);
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                Goldens golden = new Goldens("sdxl/unet", manager);
                UNet unet = UNet.open(single.part(Part.UNet), Precision.Float32, manager)) {
            Conditioning told =
                    new Conditioning(golden.get("context"), golden.get("pooled"), golden.get("time_ids"));
            golden.assertMatches(
                    unet.forward(golden.get("sample"), golden.get("timesteps"), told, ProjectionDeltas.NONE),
                    "output");
            for (ModelSource source : new ModelSource[] {single, folder}) {
                assertThat(source.family()).isEqualTo(ModelFamily.SDXL);
            }
            NDArray latents = Randomness.normal(manager, 1, new Shape(1, 4, 4, 6));
            NDArray picture = Randomness.normal(manager, 2, new Shape(1, 3, 16, 24));
            try (Vae one = Vae.open(single.part(Part.Vae), 0.13025, manager);
                    Vae two = Vae.open(folder.part(Part.Vae), 0.13025, manager)) {
                assertThat(one.decode(latents).toFloatArray())
                        .containsExactly(two.decode(latents).toFloatArray());
                assertThat(one.encode(picture).std().toFloatArray())
                        .containsExactly(two.encode(picture).std().toFloatArray());
            }
            assertSameText(single, folder, Part.TextEncoder, TextEncoder.Role.First, manager);
            assertSameText(single, folder, Part.TextEncoder2, TextEncoder.Role.Second, manager);
        }
    }

    private static void assertSameText(
            ModelSource a, ModelSource b, Part part, TextEncoder.Role role, NDManager manager) {
        try (TextEncoder one = TextEncoder.open(a.part(part), role, manager);
                TextEncoder two = TextEncoder.open(b.part(part), role, manager);
                TextEmbedding x = one.encode(manager, TOKENS, 61, 0);
                TextEmbedding y = two.encode(manager, TOKENS, 61, 0)) {
            assertThat(x.context().toFloatArray()).containsExactly(y.context().toFloatArray());
            NDArray pooled = x.pooled();
            if (pooled != null) {
                assertThat(pooled.toFloatArray())
                        .containsExactly(java.util.Objects.requireNonNull(y.pooled())
                                .toFloatArray());
            }
        }
    }

    @Test
    void textEncoderOfStableDiffusion15IsReadFromItsPlace() throws IOException {
        Path golden = Goldens.FOLDER.resolve("clip-text-a");
        ObjectNode description = Json.MAPPER.createObjectNode();
        description.set("text_encoder", Json.MAPPER.readTree(golden.resolve("config.json").toFile()));
        Path file = temporary.resolve("model.safetensors");
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Map<String, NDArray> tensors = new LinkedHashMap<>();
            try (SafeTensors read = SafeTensors.open(golden.resolve("model.safetensors"))) {
                read.entries()
                        .keySet()
                        .forEach(k -> tensors.put(
                                "cond_stage_model.transformer.text_model." + k.replaceFirst("^text_model\\.", ""),
                                read.read(k, manager)));
            }
            SafeTensorsWriter.write(file, tensors, Map.of());
            SingleFile single = new SingleFile(file, ModelFamily.SD15, description);
            List<Tokens> tokens = List.of(new Tokens(new long[] {58, 3, 7, 59}, false));
            try (TextEncoder one = TextEncoder.open(single.part(Part.TextEncoder), TextEncoder.Role.Only, manager);
                    TextEncoder two = TextEncoder.open(golden, TextEncoder.Role.Only, manager)) {
                assertThat(one.encode(manager, tokens, 59, 0).context().toFloatArray())
                        .containsExactly(
                                two.encode(manager, tokens, 59, 0).context().toFloatArray());
            }
        }
    }

    /** A file that has only the tensors that tell what it is. */
    private Path file(Map<String, long[]> tensors) throws IOException {
        Path file = temporary.resolve("checkpoint.safetensors");
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Map<String, NDArray> zeros = new LinkedHashMap<>();
            tensors.forEach((name, shape) -> zeros.put(name, manager.zeros(new Shape(shape))));
            SafeTensorsWriter.write(file, zeros, Map.of());
        }
        return file;
    }

    private static final String INPUT = "model.diffusion_model.input_blocks.0.0.weight";
    private static final String KEY =
            "model.diffusion_model.input_blocks.2.1.transformer_blocks.0.attn2.to_k.weight";

    private void assertRefused(Map<String, long[]> tensors, String what) throws IOException {
        Path file = file(tensors);

        assertThatThrownBy(() -> SingleFile.open(file))
                .isInstanceOfSatisfying(
                        TrainerException.class, e -> assertThat(e.reason()).isEqualTo(Reason.InvalidBaseModel))
                .hasMessageContaining(file + " must hold Stable Diffusion 1.x or SDXL, but holds " + what);
    }

    @Test
    void otherArchitecturesAreRefusedByName() throws IOException {
        long[] input = {4, 4, 3, 3};
        assertRefused(Map.of(INPUT, input, KEY, new long[] {4, 1024}), "Stable Diffusion 2.x");
        assertRefused(Map.of(INPUT, new long[] {4, 9, 3, 3}, KEY, new long[] {4, 768}), "an inpainting model");
        assertRefused(
                Map.of(INPUT, input, "conditioner.embedders.0.model.ln_final.weight", new long[] {4}),
                "SDXL's refiner");
        assertRefused(Map.of("model.diffusion_model.joint_blocks.0.x", new long[] {4}), "Stable Diffusion 3");
        assertRefused(Map.of("double_blocks.0.img_mod.lin.weight", new long[] {4}), "Flux");
        assertRefused(Map.of(INPUT, input, KEY, new long[] {4, 640}), "an unknown architecture");
        assertRefused(Map.of("lora_unet_mid.alpha", new long[] {1}), "no denoiser of these");
    }

    @Test
    void familiesAreDetectedAndEveryMissingWeightIsListed() throws IOException {
        SingleFile sd15 = SingleFile.open(file(Map.of(INPUT, new long[] {320, 4, 3, 3}, KEY, new long[] {320, 768})));
        assertThat(sd15.family()).isEqualTo(ModelFamily.SD15);
        assertThat(UNetConfig.of(sd15.part(Part.UNet).config())).isEqualTo(UNetConfig.SD15);
        SingleFile sdxl = SingleFile.open(
                file(Map.of(INPUT, new long[] {3, 4, 3, 3}, "conditioner.embedders.1.model.ln_final.bias", new long[] {4})));
        assertThat(sdxl.family()).isEqualTo(ModelFamily.SDXL);
        assertThat(UNetConfig.of(sdxl.part(Part.UNet).config())).isEqualTo(UNetConfig.SDXL);

        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            assertThatThrownBy(() -> UNet.open(sdxl.part(Part.UNet), Precision.Float32, manager))
                    .hasMessageContaining("conv_in.weight must have shape [320, 4, 3, 3], had [3, 4, 3, 3]")
                    .hasMessageContaining("mid_block.resnets.0.conv1.weight is missing")
                    .hasMessageContaining("add_embedding.linear_1.weight is missing");
        }
    }

    @Test
    void markersTellThePrediction() {
        Schedule plain = schedule(Set.of());
        assertThat(plain.prediction()).isEqualTo(Prediction.Epsilon);
        assertThat(plain.zeroTerminalSnr()).isFalse();
        assertThat(schedule(Set.of("ztsnr")).zeroTerminalSnr()).isFalse();

        Schedule marked = schedule(Set.of("v_pred", "ztsnr"));

        assertThat(marked.prediction()).isEqualTo(Prediction.V);
        assertThat(marked.zeroTerminalSnr()).isTrue();
        assertThat(marked.spacing()).isEqualTo(Schedule.Spacing.Trailing);
    }

    private static Schedule schedule(Set<String> names) {
        SingleFile file = new SingleFile(SINGLE, ModelFamily.SDXL, SingleFile.description(ModelFamily.SDXL, names));
        return ScheduleReader.read(file.scheduler(), ModelOptions.DEFAULT);
    }

    @Test
    void pickleIsRefusedWithTheWayOut() throws IOException {
        Path file = Files.write(temporary.resolve("model.ckpt"), new byte[] {(byte) 0x80, 2});

        assertThatThrownBy(() -> SingleFile.open(file))
                .isInstanceOfSatisfying(
                        TrainerException.class, e -> assertThat(e.reason()).isEqualTo(Reason.InvalidBaseModel))
                .hasMessageContaining("model.ckpt must be a .safetensors file");
    }

    @Test
    void textsAreReadByClipsOwnTokenizer() {
        try (Tokenizer one = Tokenizer.clip(false);
                Tokenizer two = Tokenizer.clip(true)) {
            assertThat(one.encode("a photo of a cat").ids())
                    .hasSize(77)
                    .startsWith(49406, 320, 1125, 539, 320, 2368, 49407, 49407);
            assertThat(two.encode("Hello world!").ids()).startsWith(49406, 3306, 1002, 256, 49407, 0, 0);
        }
    }
}
