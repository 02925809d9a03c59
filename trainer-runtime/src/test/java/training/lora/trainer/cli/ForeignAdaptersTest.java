package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.Reason;
import training.lora.trainer.Goldens;
import training.lora.trainer.tensor.SafeTensors;

/** LoRAs as other trainers write them: read, or refused with one sentence, by every command alike. */
class ForeignAdaptersTest {
    private static final String SD15 = "\"__metadata__\":{\"ss_base_model_version\":\"sd_v1\"}";
    private static final String SDXL = "\"__metadata__\":{\"ss_base_model_version\":\"sdxl_base_v1-0\"}";

    private static final String QUERY = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q";

    @TempDir
    Path folder;

    /** A tensor in a file, its numbers one after the other from {@code first} in halves. */
    private record Tensor(String name, String dtype, String shape, double first) {
        static Tensor fp32(String name, String shape, double first) {
            return new Tensor(name, "F32", shape, first);
        }

        int size() {
            return shape.isEmpty()
                    ? 1
                    : Arrays.stream(shape.split("x"))
                            .mapToInt(Integer::parseInt)
                            .reduce(1, Math::multiplyExact);
        }

        byte[] bytes() {
            ByteBuffer bytes = ByteBuffer.allocate(8 * size()).order(ByteOrder.LITTLE_ENDIAN);
            for (int i = 0; i < size(); i++) {
                double value = first + i / 2.0;
                switch (dtype) {
                    case "F64" -> bytes.putDouble(value);
                    case "F32" -> bytes.putFloat((float) value);
                    case "BF16" -> bytes.putShort((short) (Float.floatToIntBits((float) value) >> 16));
                    // The sign, 5 bits of exponent and 10 of mantissa of a normal number.
                    case "F16" -> bytes.putShort((short) ((Float.floatToIntBits((float) value) >> 13) - (112 << 10)));
                    case "I64" -> bytes.putLong((long) value);
                    case "I32" -> bytes.putInt((int) value);
                    case "U8" -> bytes.put((byte) value);
                    default -> throw new IllegalArgumentException(dtype);
                }
            }
            return Arrays.copyOf(bytes.array(), bytes.position());
        }
    }

    private Path file(String name, String metadata, List<Tensor> tensors) throws IOException {
        StringBuilder header = new StringBuilder("{" + metadata);
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        for (Tensor t : tensors) {
            int begin = body.size();
            body.write(t.bytes());
            header.append(header.length() == 1 ? "" : ",")
                    .append("\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%d,%d]}"
                            .formatted(t.name(), t.dtype(), t.shape().replace('x', ','), begin, body.size()));
        }
        byte[] head = header.append('}').toString().getBytes(StandardCharsets.UTF_8);
        ByteBuffer all = ByteBuffer.allocate(8 + head.length + body.size()).order(ByteOrder.LITTLE_ENDIAN);
        all.putLong(head.length).put(head).put(body.toByteArray());
        return Files.write(folder.resolve(name + ".safetensors"), all.array());
    }

    /** The two factors of a module of rank 2, by the ends of their names. */
    private static List<Tensor> factors(String module, String down, String up, int in, int out) {
        return List.of(Tensor.fp32(module + down, "2x" + in, 1), Tensor.fp32(module + up, out + "x2", in));
    }

    private static Map<String, List<Float>> values(Path file) {
        Map<String, List<Float>> values = new LinkedHashMap<>();
        try (SafeTensors tensors = SafeTensors.open(file);
                var manager = ai.djl.ndarray.NDManager.newBaseManager("PyTorch")) {
            for (String name : tensors.entries().keySet()) {
                List<Float> numbers = new ArrayList<>();
                for (float f : tensors.read(name, manager).toFloatArray()) {
                    numbers.add(f);
                }
                values.put(name, numbers);
            }
        }
        return values;
    }

    private List<String> names() throws IOException {
        try (var files = Files.list(folder)) {
            return files.map(f -> f.getFileName().toString()).sorted().toList();
        }
    }

    @ParameterizedTest
    @CsvSource({"F32,''", "F32,1", "F16,''", "BF16,1", "F64,''", "F64,1", "I64,''", "I64,1x1", "I32,''", "U8,''"})
    void alphaOfAnyTypeIsANumber(String dtype, String shape) throws IOException {
        List<Tensor> tensors = new ArrayList<>(factors(QUERY, ".lora_down.weight", ".lora_up.weight", 4, 4));
        tensors.add(new Tensor(QUERY + ".alpha", dtype, shape, 3));
        Path file = file("mine", SD15, tensors);

        Ran inspected = Ran.of("inspect", file.toString());
        Ran exported = Ran.of("export", file.toString(), "--to", "kohya");

        assertThat(inspected.output().replaceAll(" +", " ")).contains("alpha [3.0]");
        assertThat(exported.error()).isEmpty();
        assertThat(values(folder.resolve("mine-kohya.safetensors"))).containsEntry(QUERY + ".alpha", List.of(3f));
    }

    @Test
    void factorsInDoublePrecisionAreRead() throws IOException {
        Path file = file(
                "mine",
                SD15,
                List.of(
                        new Tensor(QUERY + ".lora_down.weight", "F64", "2x4", 1),
                        new Tensor(QUERY + ".lora_up.weight", "F64", "4x2", -3)));

        assertThat(Ran.of("export", file.toString(), "--to", "diffusers").error())
                .isEmpty();

        String module = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q";
        assertThat(values(folder.resolve("mine-diffusers.safetensors")))
                .containsEntry(module + ".lora_A.weight", List.of(1f, 1.5f, 2f, 2.5f, 3f, 3.5f, 4f, 4.5f))
                .containsEntry(module + ".lora_B.weight", List.of(-3f, -2.5f, -2f, -1.5f, -1f, -.5f, 0f, .5f));
    }

    @ParameterizedTest
    @CsvSource({
        "diffusers', unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q, .lora.down.weight, .lora.up.weight",
        "diffusers', unet.mid_block.attentions.0.transformer_blocks.0.attn1.processor.to_q, _lora.down.weight, _lora.up.weight",
        "diffusers', mid_block.attentions.0.transformer_blocks.0.attn1.processor.to_q, _lora.down.weight, _lora.up.weight",
        "diffusers', unet.base_model.model.mid_block.attentions.0.transformer_blocks.0.attn1.to_q, .lora_A.weight, .lora_B.weight",
        "diffusers', unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q, .lora_A.default.weight, .lora_B.default.weight",
        "kohya's, lora_unet_middle_block_1_transformer_blocks_0_attn1_to_q, .lora_down.weight, .lora_up.weight",
        "ComfyUI's, diffusion_model.middle_block.1.transformer_blocks.0.attn1.to_q, .lora_down.weight, .lora_up.weight",
        "ComfyUI's, middle_block.1.transformer_blocks.0.attn1.to_q, .lora_A.weight, .lora_B.weight",
    })
    void namesOfEveryTrainerLeadToTheSameModule(String whose, String module, String down, String up)
            throws IOException {
        Path file = file("theirs", SD15, factors(module, down, up, 4, 4));
        Path ours = file("ours", SD15, factors(QUERY, ".lora_down.weight", ".lora_up.weight", 4, 4));

        Ran inspected = Ran.of("inspect", file.toString());
        Ran exported = Ran.of("export", file.toString(), "--to", "kohya");
        Ran ofOurs = Ran.of("export", ours.toString(), "--to", "kohya");

        assertThat(inspected.output().replaceAll(" +", " "))
                .contains("what a LoRA in " + whose + " form", "family SD15", "rank [2]", "alpha [2.0]");
        assertThat(exported.error() + ofOurs.error()).isEmpty();
        assertThat(values(folder.resolve("theirs-kohya.safetensors")))
                .isEqualTo(values(folder.resolve("ours-kohya.safetensors")));
    }

    @ParameterizedTest
    @CsvSource({
        // The upsamplers of the families stand in different places, beside an attention or not.
        "SD15, up_blocks.0.upsamplers.0.conv, diffusion_model.output_blocks.2.1.conv",
        "SD15, down_blocks.3.resnets.1.conv1, diffusion_model.input_blocks.11.0.in_layers.2",
        "SDXL, up_blocks.0.upsamplers.0.conv, diffusion_model.output_blocks.2.2.conv",
    })
    void originalNamesAreThoseOfTheFilesFamily(String family, String path, String module) throws IOException {
        Path file = file(
                "theirs",
                family.equals("SDXL") ? SDXL : SD15,
                List.of(
                        Tensor.fp32(module + ".lora_down.weight", "2x4x3x3", 1),
                        Tensor.fp32(module + ".lora_up.weight", "4x2x1x1", 2)));

        assertThat(Ran.of("export", file.toString(), "--to", "diffusers").error())
                .isEmpty();

        assertThat(values(folder.resolve("theirs-diffusers.safetensors")))
                .containsOnlyKeys("unet." + path + ".lora_A.weight", "unet." + path + ".lora_B.weight");
    }

    @Test
    void theSecondEncodersProjectionGoesThereAndBack() throws IOException {
        List<Tensor> tensors = new ArrayList<>();
        for (String module : List.of(
                "lora_te1_text_model_encoder_layers_0_self_attn_q_proj",
                "lora_te2_text_projection",
                "lora_unet_label_emb_0_0",
                "lora_unet_middle_block_1_transformer_blocks_0_attn2_to_k")) {
            tensors.addAll(factors(module, ".lora_down.weight", ".lora_up.weight", 4, 6));
            tensors.add(new Tensor(module + ".alpha", "F16", "", 1));
        }
        Path file = file("onetrainer", SDXL, tensors);
        Path peft = folder.resolve("onetrainer-diffusers.safetensors");

        Ran there = Ran.of("export", file.toString(), "--to", "diffusers");
        Ran back = Ran.of("export", peft.toString(), "--to", "kohya", "--out", folder.resolve("b.safetensors") + "");
        Ran inspected = Ran.of("inspect", file.toString());

        assertThat(there.error() + back.error()).isEmpty();
        assertThat(values(peft)).containsKey("text_encoder_2.text_projection.lora_A.weight");
        assertThat(values(folder.resolve("b.safetensors"))).containsExactlyInAnyOrderEntriesOf(values(file));
        assertThat(inspected.output().replaceAll(" +", " "))
                .contains("applied here no, for it adapts text_encoder_2.text_projection, add_embedding.linear_1");
    }

    @Test
    void anAlphaAmongTheTensorsCountsBeforeTheMetadata() throws IOException {
        String module = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q";
        List<Tensor> tensors = new ArrayList<>(factors(module, ".lora_A.weight", ".lora_B.weight", 4, 4));
        tensors.add(Tensor.fp32(module + ".alpha", "", 1));
        Path file = file(
                "mine",
                "\"__metadata__\":{\"ss_base_model_version\":\"sd_v1\",\"lora_adapter_metadata\":\"{\\\"unet.lora_alpha\\\":8,\\\"unet.use_rslora\\\":true}\"}",
                tensors);

        assertThat(Ran.of("inspect", file.toString()).output().replaceAll(" +", " "))
                .contains("alpha [1.0]", "scale alpha / rank\n");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "must be a whole adapter, but: mid_block.attentions.0.transformer_blocks.0.attn1.to_q must have a magnitude of each of its 4 outputs | QUERY.lora_down.weight 2x4, QUERY.lora_up.weight 4x2, QUERY.dora_scale 1x4",
                "holds QUERY.hada_w1_a without its other factor | QUERY.hada_w1_a 2x4, QUERY.hada_w1_b 2x4",
                "must be a whole adapter, but: mid_block.attentions.0.transformer_blocks.0.attn1.to_q must have two products of the same shapes and one rank | QUERY.hada_w1_a 4x2, QUERY.hada_w1_b 2x4, QUERY.hada_w2_a 4x3, QUERY.hada_w2_b 3x4",
                "holds QUERY.lokr_w1 without its other factor | QUERY.lokr_w1 2x4, QUERY.lokr_w2_a 2x4",
                "holds QUERY.lokr_w1, which no LoRA has | QUERY.lora_down.weight 2x4, QUERY.lora_up.weight 4x2, QUERY.lokr_w1 2x2",
                "must be a whole adapter, but: QUERY.lora_mid.weight must be a core (rank, rank, k, k) between factors of its ranks, was (2, 2) beside (2, 4) | QUERY.lora_down.weight 2x4, QUERY.lora_up.weight 4x2, QUERY.lora_mid.weight 2x2",
                "is a BOFT adapter | QUERY.boft_R.weight 2x4",
                "is an OFT adapter | QUERY.oft_R.weight 2x4",
                "is a full difference of weights | diffusion_model.out.2.diff_b 4",
                "is an adapter of norms | lora_unet_conv_norm_out.w_norm 4",
                "is a LoRA with biases | unet.conv_in.lora_A.weight 2x4, unet.conv_in.lora_B.weight 4x2, unet.conv_in.lora_B.bias 4",
                "must bundle embeddings of clip_l and clip_g alone, but holds bundle_emb.word.t5xxl | QUERY.lora_down.weight 2x4, QUERY.lora_up.weight 4x2, bundle_emb.word.t5xxl 1x768",
                "is a LoRA of another architecture | lora_unet_blocks_0_attn_to_q.lora_down.weight 2x4",
                "is a LoRA of a diffusion transformer | diffusion_model.blocks.0.self_attn.q.lora_A.weight 2x4",
                "is an adapter in PEFT's own form, whose scale stands in adapter_config.json | base_model.model.mid_block.resnets.0.conv1.lora_A.weight 2x4",
                "holds lora_te1_text_model_encoder_layers_0_mlp_fc1.lora_down.weight beside lora_te_text_model_encoder_layers_0_mlp_fc1.lora_down.weight, which means the same | lora_te_text_model_encoder_layers_0_mlp_fc1.lora_down.weight 2x4, lora_te_text_model_encoder_layers_0_mlp_fc1.lora_up.weight 4x2, lora_te1_text_model_encoder_layers_0_mlp_fc1.lora_down.weight 2x4",
                "holds QUERY.lora_down.weight without its other factor | QUERY.lora_down.weight 2x4",
                "must be a whole adapter, but: mid_block.attentions.0.transformer_blocks.0.attn1.to_q must have factors of one rank | QUERY.lora_down.weight 2, QUERY.lora_up.weight 4",
                "holds tensor QUERY.alpha as 2 numbers, not one | QUERY.lora_down.weight 2x4, QUERY.lora_up.weight 4x2, QUERY.alpha 2",
            })
    void everyCommandRefusesWithTheSameSentence(String why, String content) throws IOException {
        List<Tensor> tensors = Arrays.stream(content.replace("QUERY", QUERY).split(", "))
                .map(t -> Tensor.fp32(t.split(" ")[0], t.split(" ")[1], 1))
                .toList();
        Path file = file("theirs", SD15, tensors);
        String base = Goldens.BUNDLED.resolve("emoji-sd").toAbsolutePath().toString();

        Ran inspected = Ran.of("inspect", file.toString());
        Ran exported = Ran.of("export", file.toString(), "--to", "kohya");
        Ran sampled = Ran.of(
                "sample", "--base", base, "--prompt", "x", "--lora", file.toString(), "--out", folder.toString());

        assertThat(inspected.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(inspected.error()).contains(why.replace("QUERY", QUERY));
        assertThat(exported).isEqualTo(inspected);
        assertThat(sampled.code()).isEqualTo(inspected.code());
        assertThat(sampled.error()).endsWith(inspected.error());
        assertThat(names()).containsExactly("theirs.safetensors");
    }

    @Test
    void aFileThatCantBeAppliedIsRefusedBeforeATrainingBegins() throws IOException {
        List<Tensor> tensors = new ArrayList<>();
        tensors.addAll(factors("lora_unet_conv_in", ".lora_down.weight", ".lora_up.weight", 4, 4));
        Path file = file("theirs", SD15, tensors);
        TinyRun run = TinyRun.create(folder.resolve("run"), "steps: 1, initFrom: {uri: '%s'}".formatted(file));

        Ran ended = run.run("prepare");

        assertThat(ended.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(ended.error())
                .contains(
                        "must adapt attention, feed-forwards and convolutions of the denoiser and layers of text encoders alone, but adapts conv_in");
    }

    @ParameterizedTest
    @CsvSource({"lora_unet_output_blocks_2_2_conv", "diffusion_model.output_blocks.2.2.conv"})
    void originalNamesOfAnotherFamilyAreAnotherFamilys(String module) throws IOException {
        Path file = file("theirs", SDXL, factors(module, ".lora_down.weight", ".lora_up.weight", 4, 4));
        String base = Goldens.BUNDLED.resolve("emoji-sd").toAbsolutePath().toString();

        Ran sampled = Ran.of(
                "sample", "--base", base, "--prompt", "x", "--lora", file.toString(), "--out", folder.toString());

        assertThat(sampled.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(sampled.error())
                .contains("theirs.safetensors must be a LoRA of the base model's family, SD15, but is one of SDXL");
    }

    @Test
    void factorsThatAreNoNumbersAreRefusedByEveryCommand() throws IOException {
        List<Tensor> tensors = List.of(
                Tensor.fp32(QUERY + ".lora_down.weight", "2x128", 1),
                Tensor.fp32(QUERY + ".lora_up.weight", "128x2", Double.NaN));
        Path file = file("theirs", SD15, tensors);
        String base = Goldens.BUNDLED.resolve("emoji-sd").toAbsolutePath().toString();

        List<Ran> all = List.of(
                Ran.of("inspect", file.toString()),
                Ran.of("export", file.toString(), "--to", "diffusers"),
                Ran.of(
                        "sample",
                        "--base",
                        base,
                        "--prompt",
                        "x",
                        "--lora",
                        file.toString(),
                        "--out",
                        folder.toString()));

        for (Ran ended : all) {
            assertThat(ended.code()).as(ended.output()).isEqualTo(Reason.InvalidConfiguration.exitCode());
            assertThat(ended.error())
                    .contains("theirs.safetensors must hold finite numbers, but its tensor " + QUERY
                            + ".lora_up.weight holds NaN or an infinity");
        }
        assertThat(names()).containsExactly("theirs.safetensors");
    }

    @Test
    void aFailedExportLeavesNoFile() throws IOException {
        Path file = file(
                "theirs",
                SDXL,
                List.of(
                        Tensor.fp32("unet.down_blocks.7.resnets.0.conv1.lora_A.weight", "2x4x3x3", 1),
                        Tensor.fp32("unet.down_blocks.7.resnets.0.conv1.lora_B.weight", "4x2x1x1", 2)));

        Ran ran = Ran.of("export", file.toString(), "--to", "kohya");

        assertThat(ran.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(ran.error()).contains("must adapt modules of SDXL alone, but adapts down_blocks.7.resnets.0.conv1");
        assertThat(names()).containsExactly("theirs.safetensors");
    }
}
