package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.Reason;
import training.lora.trainer.Goldens;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.SafeTensors;
import training.lora.trainer.tensor.SafeTensorsWriter;

/** {@code export}, {@code inspect} and {@code sample}, on files of every kind. */
class ExportCommandTest {
    private static final String ATTENTION = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k";

    @TempDir
    Path folder;

    /** A file with tensors of {@code shape}, dimensions apart by x. */
    private Path file(String name, Map<String, String> metadata, String... namesAndShapes) throws IOException {
        Path file = folder.resolve(name + ".safetensors");
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Map<String, NDArray> tensors = new LinkedHashMap<>();
            for (String entry : namesAndShapes) {
                String[] parts = entry.split(" ");
                long[] shape = parts.length == 1
                        ? new long[0]
                        : java.util.Arrays.stream(parts[1].split("x"))
                                .mapToLong(Long::parseLong)
                                .toArray();
                tensors.put(parts[0], Randomness.normal(manager, tensors.size(), new Shape(shape)));
            }
            SafeTensorsWriter.write(file, tensors, metadata);
        }
        return file;
    }

    @Test
    void halvesStayHalves() throws IOException {
        Path half = folder.resolve("half.safetensors");
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Map<String, NDArray> tensors = new LinkedHashMap<>();
            tensors.put(ATTENTION + ".alpha", manager.create(0.1f));
            tensors.put(ATTENTION + ".lora_down.weight", halves(manager, 1, new Shape(2, 768)));
            tensors.put(ATTENTION + ".lora_up.weight", halves(manager, 2, new Shape(8, 2)));
            SafeTensorsWriter.write(half, tensors, Map.of());
        }

        assertThat(Ran.of("export", half.toString(), "--to", "kohya").error()).isEmpty();

        Path again = folder.resolve("half-kohya.safetensors");
        assertThat(values(again)).containsExactlyInAnyOrderEntriesOf(values(half));
        try (SafeTensors read = SafeTensors.open(again)) {
            assertThat(read.entry(ATTENTION + ".lora_up.weight").dtype()).isEqualTo("F16");
            assertThat(read.entry(ATTENTION + ".alpha").dtype()).isEqualTo("F32");
        }
    }

    private static NDArray halves(NDManager manager, long seed, Shape shape) {
        return Randomness.normal(manager, seed, shape).toType(DataType.FLOAT16, false);
    }

    private Path lora(String name, int width, Map<String, String> metadata) throws IOException {
        return file(
                name,
                metadata,
                ATTENTION + ".alpha",
                ATTENTION + ".lora_down.weight 2x" + width,
                ATTENTION + ".lora_up.weight 8x2");
    }

    private static Map<String, float[]> values(Path file) {
        Map<String, float[]> values = new LinkedHashMap<>();
        try (SafeTensors tensors = SafeTensors.open(file);
                NDManager manager = NDManager.newBaseManager("PyTorch")) {
            tensors.entries()
                    .keySet()
                    .forEach(
                            name -> values.put(name, tensors.read(name, manager).toFloatArray()));
        }
        return values;
    }

    @Test
    void conversionThereAndBackGivesTheSameTensors() throws IOException {
        Path kohya = lora("mine", 768, Map.of("ss_tag_frequency", "{}", "modelspec.trigger_phrase", "TOK"));
        Path peft = folder.resolve("mine-diffusers.safetensors");
        Path again = folder.resolve("again.safetensors");

        Ran there = Ran.of("export", kohya.toString(), "--to", "diffusers");
        Ran back = Ran.of("export", peft.toString(), "--to", "kohya", "--out", again.toString());

        assertThat(there.error()).isEmpty();
        assertThat(there.output().strip()).isEqualTo(peft.toString());
        assertThat(back.error()).isEmpty();
        assertThat(values(peft).keySet())
                .containsExactly(
                        "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight",
                        "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_k.lora_B.weight");
        assertThat(values(again)).containsExactlyInAnyOrderEntriesOf(values(kohya));
        try (SafeTensors read = SafeTensors.open(again)) {
            assertThat(read.metadata())
                    .containsEntry("ss_tag_frequency", "{}")
                    .containsEntry("modelspec.trigger_phrase", "TOK")
                    .containsEntry("ss_base_model_version", "sd_v1")
                    .containsEntry("ss_output_name", "mine")
                    .doesNotContainKey("lora_adapter_metadata");
        }
    }

    @Test
    void xlFilesComeOutInTheNamesThatOtherToolsReadSafest() throws IOException {
        Path file = lora("xl", 2048, Map.of());

        assertThat(Ran.of("export", file.toString(), "--to", "kohya").error()).isEmpty();

        assertThat(values(folder.resolve("xl-kohya.safetensors")))
                .containsKey("lora_unet_middle_block_1_transformer_blocks_0_attn2_to_k.lora_down.weight");
    }

    @Test
    void familyMustBeToldWhereNothingTellsIt() throws IOException {
        Path file = lora("unknown", 24, Map.of());

        Ran untold = Ran.of("export", file.toString(), "--to", "diffusers");
        Ran told = Ran.of("export", file.toString(), "--to", "diffusers", "--family", "SDXL");
        Ran wrong = Ran.of("export", lora("known", 768, Map.of()).toString(), "--to", "diffusers", "--family", "SDXL");

        assertThat(untold.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(untold.error())
                .contains("must tell the family of its base model")
                .contains("--family");
        assertThat(told.code()).isZero();
        assertThat(wrong.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(wrong.error()).contains("--family must be that of").contains("SD15, was SDXL");
    }

    @Test
    void factorsWithoutARankAreRefused() throws IOException {
        Path file = file(
                "empty",
                Map.of("ss_base_model_version", "sd_v1"),
                ATTENTION + ".lora_down.weight 0x768",
                ATTENTION + ".lora_up.weight 8x0");

        Ran ran = Ran.of("inspect", file.toString());

        assertThat(ran.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(ran.error())
                .contains("must be a whole adapter")
                .contains("must have factors of one rank, at least 1, but their shapes are (0, 768) and (8, 0)");
    }

    @Test
    void nothingIsOverwritten() throws IOException {
        Path file = lora("mine", 768, Map.of());

        Ran ran = Ran.of("export", file.toString(), "--to", "kohya", "--out", file.toString());

        assertThat(ran.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(ran.error()).contains("--out must not exist yet");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "a LoRA of another architecture | lora_unet_blocks_0_attn_to_q.hada_w1_a 2x3",
                "a LoRA of Flux | lora_unet_double_blocks_0_img_attn_proj.lokr_w1 2x3",
                "an adapter in PEFT's own form | base_model.model.conv_in.hada_w1_a 2x3",
                "a BOFT adapter | lora_unet_conv_in.boft_R 2x3",
                "an OFT adapter | lora_unet_conv_in.oft_blocks 2x3",
                "a full difference of weights with one of biases | lora_unet_conv_in.diff 2x3 lora_unet_conv_in.diff_b 2",
                "a full difference of weights of another architecture | diffusion_model.blocks.0.self_attn.q.diff 2x3",
                "a LoRA of Flux | lora_unet_double_blocks_0_img_attn_proj.lora_down.weight 2x3",
                "a LoRA of Flux | transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight 2x3",
                "a LoRA of Stable Diffusion 3 | lora_unet_joint_blocks_0_x.lora_down.weight 2x3",
                "a LoRA of Stable Diffusion 2 | lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight 2x1024",
                "an adapter in PEFT's own form | base_model.model.conv_in.lora_A.weight 2x3",
                "a ControlNet | control_model.input_blocks.0.0.weight 2x3",
                "the UNet of a diffusers model | down_blocks.0.resnets.0.conv1.weight 2x3x3x3",
                "a VAE | decoder.conv_in.weight 2x3",
                "a text encoder | text_model.embeddings.token_embedding.weight 2x3",
                "a Stable Diffusion XL checkpoint | model.diffusion_model.input_blocks.0.0.weight 2x4x3x3 conditioner.embedders.1.model.ln_final.weight 3",
                "a Stable Diffusion 1 checkpoint | model.diffusion_model.input_blocks.0.0.weight 2x4x3x3 cond_stage_model.transformer.text_model.final_layer_norm.bias 3",
                "an inpainting checkpoint | model.diffusion_model.input_blocks.0.0.weight 2x9x3x3",
                "a textual-inversion embedding | clip_l 2x768",
                "a file of unknown tensors, such as x | x 2x3"
            })
    void whatIsNoLoraIsRefusedByName(String what, String tensors) throws IOException {
        String[] entries = tensors.split("(?<=\\d) (?=\\S+ )");
        Path file = file("other", Map.of(), entries);

        Ran ran = Ran.of("export", file.toString(), "--to", "kohya");

        assertThat(ran.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(ran.error()).contains("must be a LoRA of Stable Diffusion 1.x or XL, but is " + what);
        assertThat(folder.resolve("other-kohya.safetensors")).doesNotExist();
    }

    @ParameterizedTest
    @ValueSource(strings = {"x.ckpt", "x.safetensors"})
    void aPickleIsNeverOpenedWhateverItsName(String name) throws IOException {
        Path file = Files.write(folder.resolve(name), new byte[] {(byte) 0x80, 2, 0x7d, 0x71, 0, 0x2e, 1, 2, 3, 4});

        Ran ran = Ran.of("inspect", file.toString());

        assertThat(ran.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(ran.error()).contains("must be a .safetensors file: a pickle can run code and is never opened");
    }

    @Test
    void anAdapterOfAnotherFamilyIsRefusedInSample() throws IOException {
        String base = Goldens.BUNDLED.resolve("emoji-sd").toAbsolutePath().toString();

        Ran xl = Ran.of(
                "sample",
                "--base",
                base,
                "--prompt",
                "x",
                "--out",
                folder.toString(),
                "--lora",
                lora("xl", 2048, Map.of()).toString());
        Ran wide = Ran.of(
                "sample",
                "--base",
                base,
                "--prompt",
                "x",
                "--out",
                folder.toString(),
                "--lora",
                lora("wide", 768, Map.of()).toString());

        assertThat(xl.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(xl.error()).contains("must be a LoRA of the base model's family, SD15, but is one of SDXL");
        assertThat(wide.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(wide.error())
                .contains(
                        "mid_block.attentions.0.transformer_blocks.0.attn2.to_k maps 128 to 128 features, the file's 768 to 8");
    }

    @Test
    void inspectTellsWhatALoraIs() throws IOException {
        Path file = lora(
                "mine",
                768,
                Map.of(
                        "modelspec.trigger_phrase",
                        "TOK",
                        "ss_sd_model_name",
                        "dream",
                        "ss_tag_frequency",
                        "x".repeat(500)));

        Ran ran = Ran.of("inspect", file.toString());

        assertThat(ran.error()).isEmpty();
        assertThat(ran.output().lines().map(l -> l.replaceAll(" +", " ")))
                .contains("what a LoRA in kohya's form", "family SD15", "base dream", "trigger TOK", "rank [2]")
                .anyMatch(l ->
                        l.matches("unet 1 modules, 1552 parameters, norm of the change [0-9.]+ mean, [0-9.]+ greatest"))
                .anyMatch(l -> l.endsWith("… (500 characters)"));
    }

    @Test
    void inspectTellsWhatModelsAndEmbeddingsAre() throws IOException {
        Path checkpoint = file(
                "xl",
                Map.of("modelspec.title", "a model"),
                "model.diffusion_model.input_blocks.0.0.weight 2x4x3x3",
                "conditioner.embedders.1.model.ln_final.weight 3",
                "v_pred 0");
        Path embedding = file("word", Map.of(), "emb_params 4x768");

        assertThat(Ran.of("inspect", checkpoint.toString()).output().replaceAll(" +", " "))
                .contains("what a Stable Diffusion XL checkpoint", "unet 72 parameters", "types {F32=75}")
                .contains("prediction v, by the marker v_pred", "modelspec.title = a model");
        assertThat(Ran.of("inspect", embedding.toString()).output().replaceAll(" +", " "))
                .contains("what a textual-inversion embedding", "emb_params 4 vectors of width 768");
        assertThat(Ran.of("inspect", Goldens.BUNDLED.resolve("emoji-sd").toString())
                        .output()
                        .replaceAll(" +", " "))
                .contains("what a base model, family SD15", "resolution 128 pixels")
                .contains("schedule 1000 timesteps, betas from ")
                .doesNotContain("Schedule[");
    }
}
