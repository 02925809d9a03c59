package training.lora.trainer.export;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.AdapterFormat;
import training.lora.api.Json;
import training.lora.trainer.adapter.AdapterModule;
import training.lora.trainer.adapter.AdapterPart;
import training.lora.trainer.model.layer.Component;
import training.lora.trainer.tensor.LazyTensor;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.SafeTensors;
import training.lora.trainer.tensor.SafeTensorsWriter;

class AdapterWriterTest {
    @TempDir
    Path folder;

    private static LazyTensor values(long seed, Shape shape) {
        return new LazyTensor(shape, DataType.FLOAT32, scope -> Randomness.normal(scope, seed, shape));
    }

    private static float[] floats(LazyTensor tensor) {
        try (NDManager scope = NDManager.newBaseManager("PyTorch")) {
            return tensor.in(scope).toFloatArray();
        }
    }

    private static AdapterModule linear(
            Component component, String path, int rank, double alpha, boolean stabilized, int in, int out) {
        long seed = path.hashCode();
        Shape down = new Shape(rank, in);
        Shape up = new Shape(out, rank);
        return Modules.lora(component, path, alpha, stabilized, values(seed, down), values(seed + 1, up));
    }

    /** A module of every kind, of different ranks and alphas. */
    private static List<AdapterModule> modules(LoraFamily family, boolean stabilized) {
        List<AdapterModule> modules = new ArrayList<>(List.of(
                linear(
                        Component.UNet,
                        "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k",
                        4,
                        2,
                        stabilized,
                        24,
                        8),
                linear(
                        Component.UNet,
                        "mid_block.attentions.0.transformer_blocks.0.ff.net.0.proj",
                        4,
                        2,
                        stabilized,
                        8,
                        64),
                linear(Component.UNet, "up_blocks.1.resnets.2.time_emb_proj", 3, 1.5, stabilized, 8, 16),
                Modules.lora(
                        Component.UNet,
                        "up_blocks.0.upsamplers.0.conv",
                        2,
                        stabilized,
                        values(7, new Shape(4, 8, 3, 3)),
                        values(8, new Shape(16, 4, 1, 1))),
                linear(Component.TextEncoder, "text_model.encoder.layers.1.mlp.fc2", 2, 8, stabilized, 32, 8)));
        if (family == LoraFamily.SDXL) {
            modules.add(linear(
                    Component.TextEncoder2, "text_model.encoder.layers.1.self_attn.out_proj", 2, 8, stabilized, 8, 8));
        }
        return modules;
    }

    private static ExportMetadata metadata(LoraFamily family) {
        return ExportMetadataBuilder.builder()
                .title("fluent")
                .baseModel("emoji-sd")
                .family(family)
                .paths(family.paths())
                .resolution(128)
                .prediction("epsilon")
                .training(Map.of("ss_seed", "7"))
                .trigger("fluent style")
                .build();
    }

    private Path write(LoraFamily family, AdapterFormat format, List<AdapterModule> modules) throws IOException {
        Path file = folder.resolve(format + ".safetensors");
        AdapterWriter.write(
                file,
                format,
                modules,
                Map.of(),
                family,
                family.paths(),
                DataType.FLOAT32,
                metadata(family).entries());
        return file;
    }

    @ParameterizedTest
    @CsvSource({
        "SD15, Kohya, false",
        "SD15, Kohya, true",
        "SD15, Diffusers, false",
        "SD15, Diffusers, true",
        "SDXL, Kohya, false",
        "SDXL, Kohya, true",
        "SDXL, Diffusers, false",
        "SDXL, Diffusers, true"
    })
    void everyModuleIsReadBackAsItWas(LoraFamily family, AdapterFormat format, boolean stabilized) throws IOException {
        List<AdapterModule> modules = modules(family, stabilized);

        Path path = write(family, format, modules);

        try (AdapterFile file = AdapterFile.open(path)) {
            assertThat(file.form()).isEqualTo(format == AdapterFormat.Kohya ? "kohya's form" : "diffusers' form");
            assertThat(file.family()).isEqualTo(family);
            List<AdapterModule> read = file.modules();
            assertThat(read).hasSameSizeAs(modules);
            for (int i = 0; i < read.size(); i++) {
                AdapterModule expected = modules.get(i);
                AdapterModule actual = read.get(i);
                assertThat(actual.form().component()).isEqualTo(expected.form().component());
                assertThat(actual.form().path()).isEqualTo(expected.form().path());
                assertThat(actual.form().shapes()).isEqualTo(expected.form().shapes());
                expected.values().forEach((part, values) -> assertThat(floats(actual.value(part)))
                        .containsExactly(floats(values)));
                assertThat(actual.form().scale())
                        .isCloseTo(
                                expected.form().scale(),
                                within(1e-7 * expected.form().scale()));
            }
            Exports.prove(file, modules);
        }
    }

    @Test
    void kohyasFormKeepsTheRealAlphaAndFoldsRankStabilizationIn() throws IOException {
        String name = "lora_unet_up_blocks_1_resnets_2_time_emb_proj.alpha";
        try (SafeTensors plain =
                        SafeTensors.open(write(LoraFamily.SD15, AdapterFormat.Kohya, modules(LoraFamily.SD15, false)));
                NDManager manager = NDManager.newBaseManager("PyTorch")) {
            assertThat(plain.entry(name).shape()).isEmpty();
            assertThat(plain.read(name, manager).getFloat()).isEqualTo(1.5f);
            assertThat(plain.metadata())
                    .containsEntry("ss_network_alpha", "Dynamic")
                    .containsEntry("ss_network_args", "{\"conv_dim\":\"4\",\"conv_alpha\":\"2.0\"}");
        }
        try (SafeTensors stabilized =
                        SafeTensors.open(write(LoraFamily.SD15, AdapterFormat.Kohya, modules(LoraFamily.SD15, true)));
                NDManager manager = NDManager.newBaseManager("PyTorch")) {
            assertThat((double) stabilized.read(name, manager).getFloat()).isCloseTo(1.5 * Math.sqrt(3), within(1e-6));
        }
    }

    @Test
    void diffusersMetadataHasTheKeysOfEachComponentAndNoOther() throws IOException {
        Path path = write(LoraFamily.SDXL, AdapterFormat.Diffusers, modules(LoraFamily.SDXL, true));

        try (SafeTensors file = SafeTensors.open(path)) {
            var json = Json.MAPPER.readTree(file.metadata().get("lora_adapter_metadata"));
            assertThat(json.properties().stream().map(Map.Entry::getKey).collect(Collectors.toSet()))
                    .containsExactlyInAnyOrder(
                            "unet.r",
                            "unet.lora_alpha",
                            "unet.target_modules",
                            "unet.rank_pattern",
                            "unet.alpha_pattern",
                            "unet.use_rslora",
                            "text_encoder.r",
                            "text_encoder.lora_alpha",
                            "text_encoder.target_modules",
                            "text_encoder.use_rslora",
                            "text_encoder_2.r",
                            "text_encoder_2.lora_alpha",
                            "text_encoder_2.target_modules",
                            "text_encoder_2.use_rslora");
            assertThat(json.get("unet.r").asInt()).isEqualTo(4);
            assertThat(json.get("unet.lora_alpha").asDouble()).isEqualTo(2);
            assertThat(json.at("/unet.rank_pattern").toString())
                    .isEqualTo("{\"up_blocks.1.resnets.2.time_emb_proj\":3}");
            assertThat(json.get("text_encoder.target_modules").get(0).asText()).isEqualTo("encoder.layers.1.mlp.fc2");
            assertThat(file.entries().keySet())
                    .contains("text_encoder.text_model.encoder.layers.1.mlp.fc2.lora_A.weight")
                    .noneMatch(name -> name.endsWith(".alpha"));
        }
    }

    @ParameterizedTest
    @CsvSource({
        "SD15, sd_v1, stable-diffusion-v1/lora, diffusers",
        "SDXL, sdxl_base_v1-0, stable-diffusion-xl-v1-base/lora, https://github.com/Stability-AI/generative-models"
    })
    void metadataTellsWhatItIsInTheWordsOfOtherTools(
            LoraFamily family, String version, String architecture, String implementation) throws IOException {
        for (AdapterFormat format : List.of(AdapterFormat.Kohya, AdapterFormat.Diffusers)) {
            Path path = write(family, format, modules(family, false));

            try (SafeTensors file = SafeTensors.open(path)) {
                byte[] bytes = Files.readAllBytes(path);
                int header = java.nio.ByteBuffer.wrap(bytes)
                        .order(java.nio.ByteOrder.LITTLE_ENDIAN)
                        .getInt();
                String digest = new training.lora.trainer.files.Sha256()
                        .add(java.nio.ByteBuffer.wrap(bytes, 8 + header, bytes.length - 8 - header))
                        .hex();
                assertThat(file.metadata())
                        .containsEntry("ss_base_model_version", version)
                        .containsEntry("ss_network_module", "networks.lora")
                        .containsEntry("ss_network_dim", "Dynamic")
                        .containsEntry("ss_output_name", "fluent")
                        .containsEntry("ss_seed", "7")
                        .containsEntry("sshs_model_hash", digest)
                        .containsEntry("modelspec.hash_sha256", "0x" + digest)
                        .containsEntry("modelspec.sai_model_spec", "1.0.1")
                        .containsEntry("modelspec.architecture", architecture)
                        .containsEntry("modelspec.implementation", implementation)
                        .containsEntry("modelspec.title", "fluent")
                        .containsEntry("modelspec.resolution", "128x128")
                        .containsEntry("modelspec.prediction_type", "epsilon")
                        .containsEntry("modelspec.trigger_phrase", "fluent style")
                        .doesNotContainKey("modelspec.date");
                assertThat(file.metadata().containsKey("lora_adapter_metadata"))
                        .isEqualTo(format == AdapterFormat.Diffusers);
            }
        }
    }

    @Test
    void aFileThatDiffersFromWhatWasTrainedIsFoundOut() throws IOException {
        List<AdapterModule> modules = modules(LoraFamily.SD15, false);
        Path path = write(LoraFamily.SD15, AdapterFormat.Kohya, modules);
        AdapterModule third = modules.get(2);
        LazyTensor up = new LazyTensor(third.value(AdapterPart.Up).shape(), DataType.FLOAT32, scope -> {
            NDArray values = third.value(AdapterPart.Up).in(scope);
            values.set(new NDIndex(5, 0), values.getFloat(5, 0) + 1e-6f);
            return values;
        });
        modules.set(
                2,
                new AdapterModule(
                        third.form(), Map.of(AdapterPart.Down, third.value(AdapterPart.Down), AdapterPart.Up, up)));

        try (AdapterFile file = AdapterFile.open(path)) {
            assertThatThrownBy(() -> Exports.prove(file, modules))
                    .hasMessageContaining("must read back as what was written");
        }
    }

    @Test
    void familyIsToldByShapesAndNamesWhereMetadataSaysNothing() throws IOException {
        assertThat(familyWithoutMetadata(linear(
                        Component.UNet, "mid_block.attentions.0.transformer_blocks.0.attn2.to_k", 1, 1, false, 768, 4)))
                .isEqualTo(LoraFamily.SD15);
        assertThat(familyWithoutMetadata(linear(
                        Component.UNet,
                        "mid_block.attentions.0.transformer_blocks.0.attn2.to_k",
                        1,
                        1,
                        false,
                        2048,
                        4)))
                .isEqualTo(LoraFamily.SDXL);
        assertThat(familyWithoutMetadata(linear(Component.UNet, "up_blocks.3.resnets.0.conv1", 1, 1, false, 4, 4)))
                .isEqualTo(LoraFamily.SD15);
        assertThat(familyWithoutMetadata(
                        linear(Component.TextEncoder2, "text_model.encoder.layers.0.mlp.fc1", 1, 1, false, 4, 4)))
                .isEqualTo(LoraFamily.SDXL);
        assertThat(familyWithoutMetadata(linear(Component.UNet, "mid_block.resnets.0.conv1", 1, 1, false, 4, 4)))
                .isNull();
    }

    private @org.jspecify.annotations.Nullable LoraFamily familyWithoutMetadata(AdapterModule module)
            throws IOException {
        Path path = folder.resolve("bare.safetensors");
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            String name =
                    PeftNames.module(module.form().component(), module.form().path());
            SafeTensorsWriter.write(
                    path,
                    Map.of(
                            name + AdapterPart.Down.peft(),
                                    module.value(AdapterPart.Down).in(manager),
                            name + AdapterPart.Up.peft(),
                                    module.value(AdapterPart.Up).in(manager)),
                    Map.of());
        }
        try (AdapterFile file = AdapterFile.open(path)) {
            return file.family();
        }
    }

    @Test
    void normOfTheChangeIsThatOfTheProduct() {
        AdapterModule module = linear(Component.UNet, "conv_in", 3, 1.5, false, 5, 4);
        float[] down = floats(module.value(AdapterPart.Down));
        float[] up = floats(module.value(AdapterPart.Up));
        double sum = 0;
        for (int o = 0; o < 4; o++) {
            for (int i = 0; i < 5; i++) {
                double entry = 0;
                for (int r = 0; r < 3; r++) {
                    entry += 0.5 * up[o * 3 + r] * down[r * 5 + i];
                }
                sum += entry * entry;
            }
        }

        assertThat(module.norm()).isCloseTo(Math.sqrt(sum), within(1e-9));
    }
}
