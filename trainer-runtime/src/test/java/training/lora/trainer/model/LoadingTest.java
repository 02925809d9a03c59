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
import java.util.function.Consumer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.Json;
import training.lora.api.Precision;
import training.lora.api.Reason;
import training.lora.trainer.Goldens;
import training.lora.trainer.TrainerException;
import training.lora.trainer.model.basemodel.FolderPart;
import training.lora.trainer.model.basemodel.Part;
import training.lora.trainer.model.layer.ProjectionDeltas;
import training.lora.trainer.model.text.TextEncoder;
import training.lora.trainer.model.text.Tokens;
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.tensor.SafeTensors;
import training.lora.trainer.tensor.SafeTensorsWriter;

class LoadingTest {
    private static final String WEIGHTS = "diffusion_pytorch_model.safetensors";

    @TempDir
    Path folder;

    @BeforeEach
    void copyOfAGoodModel() throws IOException {
        for (String name : List.of("config.json", WEIGHTS)) {
            Files.copy(Goldens.FOLDER.resolve("unet-a").resolve(name), folder.resolve(name));
        }
    }

    private void rewrite(Path file, Consumer<Map<String, NDArray>> change) throws IOException {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Map<String, NDArray> tensors = new LinkedHashMap<>();
            try (SafeTensors read = SafeTensors.open(file)) {
                read.entries().keySet().forEach(k -> tensors.put(k, read.read(k, manager)));
            }
            change.accept(tensors);
            SafeTensorsWriter.write(file, tensors, Map.of());
        }
    }

    private void assertRefused(String... parts) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            assertThatThrownBy(() -> UNet.open(new FolderPart(folder, Part.UNet), Precision.Float32, manager))
                    .isInstanceOfSatisfying(
                            TrainerException.class, e -> assertThat(e.reason()).isEqualTo(Reason.InvalidBaseModel))
                    .satisfies(e -> assertThat(e.getMessage()).contains(parts));
        }
    }

    @Test
    void everyMissingWeightAndWrongShapeIsListedAtOnce() throws Exception {
        rewrite(folder.resolve(WEIGHTS), tensors -> {
            tensors.remove("conv_in.bias");
            tensors.remove("mid_block.attentions.0.norm.weight");
            tensors.computeIfPresent("conv_out.bias", (k, v) -> v.getManager().ones(new Shape(5)));
        });

        assertRefused(
                WEIGHTS,
                "conv_in.bias is missing",
                "mid_block.attentions.0.norm.weight is missing",
                "conv_out.bias must have shape [4], had [5]");
    }

    @Test
    void missingFileIsNamed() throws Exception {
        Files.delete(folder.resolve(WEIGHTS));

        assertRefused(WEIGHTS, "must be there");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    act_fn                 | "gelu"
                    class_embed_type       | "timestep"
                    addition_embed_type    | "image"
                    in_channels            | 9
                    mid_block_type         | "UNetMidBlock2D"
                    down_block_types       | ["AttnDownBlock2D", "DownBlock2D"]
                    attention_head_dim     | [1, 2, 3]
                    resnet_time_scale_shift| "scale_shift"
                    conv_in_kernel         | 5
                    attention_type         | "gated"
                    resnet_skip_time_act   | true
                    resnet_out_scale_factor| 2.0
                    """)
    void unsupportedSettingIsRefusedByNameAndValue(String key, String value) throws Exception {
        Path config = folder.resolve("config.json");
        ObjectNode node = (ObjectNode) Json.MAPPER.readTree(config.toFile());
        node.set(key, Json.MAPPER.readTree(value));
        if (key.equals("in_channels")) {
            node.set("out_channels", Json.MAPPER.readTree("4"));
        }
        Json.MAPPER.writeValue(config.toFile(), node);

        assertRefused(
                "`" + key + "`", "config.json", Json.MAPPER.readTree(value).toString());
    }

    @Test
    void olderNamesInAnAutoencodersAttentionAreTheSame() throws Exception {
        Files.copy(
                Goldens.FOLDER.resolve("vae-a").resolve("config.json"),
                folder.resolve("config.json"),
                java.nio.file.StandardCopyOption.REPLACE_EXISTING);
        Files.copy(
                Goldens.FOLDER.resolve("vae-a").resolve(WEIGHTS),
                folder.resolve(WEIGHTS),
                java.nio.file.StandardCopyOption.REPLACE_EXISTING);
        rewrite(folder.resolve(WEIGHTS), tensors -> {
            for (String name : List.copyOf(tensors.keySet())) {
                String old = name.replace(".to_q.", ".query.")
                        .replace(".to_k.", ".key.")
                        .replace(".to_v.", ".value.")
                        .replace(".to_out.0.", ".proj_attn.");
                NDArray value = java.util.Objects.requireNonNull(tensors.remove(name));
                // Files converted from the original code also keep these as 1x1 convolutions.
                boolean convolution = !old.equals(name) && value.getShape().dimension() == 2;
                tensors.put(old, convolution ? value.expandDims(2).expandDims(3) : value);
            }
            assertThat(tensors.keySet()).anyMatch(k -> k.contains("proj_attn"));
        });
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                Vae vae = Vae.open(new FolderPart(folder, Part.Vae), 0.18215, manager);
                Goldens golden = new Goldens("vae-a", manager)) {
            golden.assertMatches(vae.decode(golden.get("latents")), "decoded");
        }
    }

    @Test
    void textEncodersWeightsWithTheOlderPrefixAreTheSame() throws Exception {
        for (String name : List.of("config.json", "model.safetensors")) {
            Files.copy(
                    Goldens.FOLDER.resolve("clip-text-a").resolve(name),
                    folder.resolve(name),
                    java.nio.file.StandardCopyOption.REPLACE_EXISTING);
        }
        rewrite(folder.resolve("model.safetensors"), tensors -> {
            for (String name : List.copyOf(tensors.keySet())) {
                tensors.put("text_model." + name, java.util.Objects.requireNonNull(tensors.remove(name)));
            }
        });
        List<Tokens> tokens = List.of(new Tokens(new long[] {58, 3, 7, 59}, false));
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                TextEncoder older = TextEncoder.open(
                        new FolderPart(folder, Part.TextEncoder), TextEncoder.Role.Only, Precision.Float32, manager);
                TextEncoder newer = TextEncoder.open(
                        new FolderPart(Goldens.FOLDER.resolve("clip-text-a"), Part.TextEncoder),
                        TextEncoder.Role.Only,
                        Precision.Float32,
                        manager)) {
            assertThat(older.encode(manager, tokens, 59, 0, ProjectionDeltas.NONE)
                            .context()
                            .toFloatArray())
                    .containsExactly(newer.encode(manager, tokens, 59, 0, ProjectionDeltas.NONE)
                            .context()
                            .toFloatArray());
        }
    }
}
