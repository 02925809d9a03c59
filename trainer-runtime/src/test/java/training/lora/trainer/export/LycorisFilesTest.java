package training.lora.trainer.export;

import static org.assertj.core.api.Assertions.assertThat;
import static training.lora.trainer.Goldens.assertClose;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.AdapterFormat;
import training.lora.trainer.adapter.AdapterModule;
import training.lora.trainer.adapter.AdapterPart;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.SafeTensorsWriter;

/** Files of LyCORIS' kinds as its trainers write them, read as the weights that its formulas make. */
class LycorisFilesTest {
    private static final NDManager MANAGER = NDManager.newBaseManager("PyTorch");
    private static final String CONVOLUTION = "lora_unet_mid_block_resnets_0_conv1";
    private static final String UPSAMPLER = "lora_unet_output_blocks_2_2_conv";
    private static final int IN = 6;
    private static final int OUT = 4;

    @TempDir
    Path folder;

    @AfterAll
    static void close() {
        MANAGER.close();
    }

    private static NDArray drawn(long seed, long... shape) {
        return Randomness.normal(MANAGER, seed, new Shape(shape));
    }

    private Path file(String module, Map<String, NDArray> parts, DataType type) throws IOException {
        Map<String, NDArray> tensors = new HashMap<>();
        parts.forEach((name, value) -> tensors.put(module + name, value.toType(type, false)));
        Path file = folder.resolve("theirs.safetensors");
        SafeTensorsWriter.write(file, tensors, Map.of("ss_base_model_version", "sd_v1"));
        return file;
    }

    /** What a file's one module adds to the weight, as rows, scale included. */
    private static NDArray change(AdapterModule module) {
        NDArray change =
                switch (module.form().kind().name()) {
                    case "LoRA" -> rows(module, AdapterPart.Up).matMul(rows(module, AdapterPart.Down));
                    case "LoHa" ->
                        rows(module, AdapterPart.HadaW1A)
                                .matMul(rows(module, AdapterPart.HadaW1B))
                                .mul(rows(module, AdapterPart.HadaW2A).matMul(rows(module, AdapterPart.HadaW2B)));
                    default -> {
                        NDArray w1 = matrix(module, AdapterPart.LokrW1, AdapterPart.LokrW1A, AdapterPart.LokrW1B);
                        NDArray w2 = matrix(module, AdapterPart.LokrW2, AdapterPart.LokrW2A, AdapterPart.LokrW2B);
                        yield kron(w1, w2);
                    }
                };
        return change.mul(module.form().scale());
    }

    private static NDArray matrix(AdapterModule module, AdapterPart whole, AdapterPart left, AdapterPart right) {
        return module.form().kind().parts().contains(whole)
                ? rows(module, whole)
                : rows(module, left).matMul(rows(module, right));
    }

    private static NDArray rows(AdapterModule module, AdapterPart part) {
        NDArray value = module.value(part).in(MANAGER);
        assertThat(value.getShape()).isEqualTo(module.form().shape(part));
        return value.reshape(value.getShape().get(0), -1);
    }

    private static NDArray kron(NDArray a, NDArray b) {
        Shape x = a.getShape();
        Shape y = b.getShape();
        return a.reshape(x.get(0), 1, x.get(1), 1)
                .mul(b.reshape(1, y.get(0), 1, y.get(1)))
                .reshape(x.get(0) * y.get(0), x.get(1) * y.get(1));
    }

    /** LyCORIS' rebuild_tucker: sum over i and j of t[i, j, k, l] a[i, p] b[j, r], as rows (p, r k l), by loops. */
    private static NDArray tucker(NDArray core, NDArray left, NDArray right) {
        int rank = (int) core.getShape().get(0);
        int area = (int) (core.size() / rank / rank);
        int out = (int) left.getShape().get(1);
        int in = (int) right.getShape().get(1);
        float[] t = core.toFloatArray();
        float[] a = left.toFloatArray();
        float[] b = right.toFloatArray();
        float[] sums = new float[out * in * area];
        for (int i = 0; i < rank; i++) {
            for (int j = 0; j < rank; j++) {
                for (int p = 0; p < out; p++) {
                    for (int r = 0; r < in; r++) {
                        for (int k = 0; k < area; k++) {
                            sums[(p * in + r) * area + k] +=
                                    t[(i * rank + j) * area + k] * a[i * out + p] * b[j * in + r];
                        }
                    }
                }
            }
        }
        return MANAGER.create(sums, new Shape(out, (long) in * area));
    }

    private AdapterModule only(Path file) {
        AdapterFile opened = AdapterFile.open(file);
        List<AdapterModule> modules = opened.modules();
        assertThat(modules).hasSize(1);
        return modules.get(0);
    }

    @Test
    void coreOfALoraOfConvolutionsIsFoldedIntoIt() throws IOException {
        NDArray down = drawn(1, 2, IN, 1, 1);
        NDArray up = drawn(2, OUT, 2, 1, 1);
        NDArray mid = drawn(3, 2, 2, 3, 3);
        AdapterModule module = only(file(
                CONVOLUTION,
                Map.of(
                        ".lora_down.weight", down,
                        ".lora_up.weight", up,
                        ".lora_mid.weight", mid,
                        ".alpha", MANAGER.create(1f)),
                DataType.FLOAT32));

        NDArray expected = tucker(mid, up.reshape(OUT, 2).transpose().mul(1), down.reshape(2, IN));
        assertClose(change(module), expected.mul(0.5), 1e-5, "LoCon");
        assertThat(module.form().convolution()).isTrue();
    }

    @Test
    void coresOfALohaAreFoldedIntoIt() throws IOException {
        Map<String, NDArray> parts = Map.of(
                ".hada_t1", drawn(1, 2, 2, 3, 3),
                ".hada_w1_a", drawn(2, 2, OUT),
                ".hada_w1_b", drawn(3, 2, IN),
                ".hada_t2", drawn(4, 2, 2, 3, 3),
                ".hada_w2_a", drawn(5, 2, OUT),
                ".hada_w2_b", drawn(6, 2, IN),
                ".alpha", MANAGER.create(3f));
        NDArray first = tucker(drawn(1, 2, 2, 3, 3), drawn(2, 2, OUT), drawn(3, 2, IN));
        NDArray second = tucker(drawn(4, 2, 2, 3, 3), drawn(5, 2, OUT), drawn(6, 2, IN));

        assertClose(
                change(only(file(CONVOLUTION, parts, DataType.FLOAT32))),
                first.mul(second).mul(1.5),
                1e-5,
                "LoHa");
    }

    @Test
    void coreOfALokrIsFoldedIntoIt() throws IOException {
        Map<String, NDArray> parts = Map.of(
                ".lokr_w1", drawn(1, 2, 3),
                ".lokr_t2", drawn(2, 1, 1, 3, 3),
                ".lokr_w2_a", drawn(3, 1, 5),
                ".lokr_w2_b", drawn(4, 1, 7),
                ".alpha", MANAGER.create(4f));
        NDArray second = tucker(drawn(2, 1, 1, 3, 3), drawn(3, 1, 5), drawn(4, 1, 7));

        AdapterModule module = only(file(CONVOLUTION, parts, DataType.FLOAT32));

        assertClose(change(module), kron(drawn(1, 2, 3), second).mul(4), 1e-5, "LoKr");
        assertThat(module.form().fanIn()).isEqualTo(3 * 7 * 9);
        assertThat(module.form().out()).isEqualTo(2 * 5);
    }

    /** kohya's reader takes alpha over the rank where there is one; ComfyUI and A1111 take 1 where both matrices are whole. */
    @ParameterizedTest
    @CsvSource({"true, true, 0.25", "true, false, 0.25", "false, true, 0.25", "false, false, 1"})
    void matricesOfALokrAreWholeOrFactorsOfAnyShape(boolean first, boolean second, double scale) throws IOException {
        Map<String, NDArray> parts = new HashMap<>(Map.of(".alpha", MANAGER.create(0.5f)));
        NDArray w1 = drawn(1, 3, 5);
        NDArray w2 = drawn(2, 7, 4 * 9);
        if (first) {
            parts.put(".lokr_w1_a", drawn(3, 3, 2));
            parts.put(".lokr_w1_b", drawn(4, 2, 5));
            w1 = drawn(3, 3, 2).matMul(drawn(4, 2, 5));
        } else {
            parts.put(".lokr_w1", w1);
        }
        if (second) {
            parts.put(".lokr_w2_a", drawn(5, 7, 2));
            // LyCORIS' functional form; its module has it as rows.
            parts.put(".lokr_w2_b", drawn(6, 2, 4, 3, 3));
            w2 = drawn(5, 7, 2).matMul(drawn(6, 2, 4, 3, 3).reshape(2, 36));
        } else {
            parts.put(".lokr_w2", w2.reshape(7, 4, 3, 3));
        }

        AdapterModule module = only(file(CONVOLUTION, parts, DataType.FLOAT32));

        assertClose(change(module), kron(w1, w2).mul(scale), 1e-5, "LoKr");
        assertThat(module.norm())
                .isCloseTo(change(module).norm().getFloat(), org.assertj.core.data.Percentage.withPercentage(0.01));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "lora_unet_mid_block_resnets_0_conv1",
                "lycoris_mid_block_resnets_0_conv1",
                "unet.mid_block.resnets.0.conv1",
                "diffusion_model.middle_block.0.in_layers.2"
            })
    void everyBeginningOfANameIsUnderstood(String module) throws IOException {
        Map<String, NDArray> parts = Map.of(
                ".hada_w1_a", drawn(2, OUT, 2),
                ".hada_w1_b", drawn(3, 2, IN * 9),
                ".hada_w2_a", drawn(5, OUT, 2),
                ".hada_w2_b", drawn(6, 2, IN * 9));

        AdapterModule read = only(file(module, parts, DataType.FLOAT16));

        assertThat(read.form().path()).isEqualTo("mid_block.resnets.0.conv1");
        assertThat(read.form().scale()).isEqualTo(1);
        NDArray expected = drawn(2, OUT, 2)
                .matMul(drawn(3, 2, IN * 9))
                .mul(drawn(5, OUT, 2).matMul(drawn(6, 2, IN * 9)));
        assertClose(change(read), expected, 5e-3, "in fp16");
    }

    @Test
    void familyOfALokrIsToldByWhatTextAttentionReads() throws IOException {
        Path file = folder.resolve("theirs.safetensors");
        for (long context : new long[] {768, 2048}) {
            SafeTensorsWriter.write(
                    file,
                    Map.of(
                            "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k.lokr_w1",
                            drawn(1, 4, 32),
                            "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k.lokr_w2",
                            drawn(2, 8, context / 32)),
                    Map.of());
            try (AdapterFile opened = AdapterFile.open(file)) {
                assertThat(opened.family()).isEqualTo(context == 768 ? LoraFamily.SD15 : LoraFamily.SDXL);
                assertThat(opened.what()).isEqualTo("a LoKr");
            }
        }
    }

    @Test
    void sdxlHasTheOriginalCodesNamesAndItsTextEncodersTheirNumbers() throws IOException {
        Map<String, NDArray> tensors = new HashMap<>();
        for (String module : List.of(
                UPSAMPLER,
                "lora_te1_text_model_encoder_layers_0_mlp_fc1",
                "lora_te2_text_model_encoder_layers_0_mlp_fc1")) {
            tensors.put(module + ".lokr_w1", drawn(1, 2, 2));
            tensors.put(module + ".lokr_w2_a", drawn(2, 8, 1));
            tensors.put(module + ".lokr_w2_b", drawn(3, 1, 8));
            tensors.put(module + ".alpha", MANAGER.create(1f));
        }
        Path file = folder.resolve("theirs.safetensors");
        SafeTensorsWriter.write(file, tensors, Map.of("ss_base_model_version", "sdxl_base_v1-0"));
        Path written = folder.resolve("ours.safetensors");

        try (AdapterFile opened = AdapterFile.open(file)) {
            assertThat(opened.modules())
                    .extracting(m -> m.form().path())
                    .contains("up_blocks.0.upsamplers.0.conv", "text_model.encoder.layers.0.mlp.fc1");
            Exports.convert(opened, null, AdapterFormat.Kohya, written);
        }
        try (var raw = training.lora.trainer.tensor.SafeTensors.open(written)) {
            assertThat(raw.entries().keySet()).isEqualTo(tensors.keySet());
            assertThat(raw.metadata())
                    .containsEntry("ss_network_module", "lycoris.kohya")
                    .containsEntry("ss_network_args", "{\"algo\":\"lokr\",\"factor\":\"2\"}");
        }
    }
}
