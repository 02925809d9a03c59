package training.lora.trainer.model.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Json;
import training.lora.api.Precision;
import training.lora.api.Reason;
import training.lora.trainer.Goldens;
import training.lora.trainer.TrainerException;
import training.lora.trainer.model.basemodel.FolderPart;
import training.lora.trainer.model.basemodel.Part;
import training.lora.trainer.model.layer.ProjectionDeltas;
import training.lora.trainer.model.unet.Conditioning;
import training.lora.trainer.model.unet.UNet;
import training.lora.trainer.tensor.SafeTensors;
import training.lora.trainer.tensor.SafeTensorsWriter;

/** One network's weights in the files that diffusers may put them into. */
class WeightFilesTest {
    private static final String STEM = "diffusion_pytorch_model";

    @TempDir
    Path folder;

    @BeforeEach
    void configuration() throws IOException {
        Files.copy(Goldens.FOLDER.resolve("unet-a/config.json"), folder.resolve("config.json"));
    }

    /** Puts the golden's tensors by turns into files of these names, and writes the index. */
    private void shard(String index, String... names) throws IOException {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafeTensors whole = SafeTensors.open(Goldens.FOLDER.resolve("unet-a/" + STEM + ".safetensors"))) {
            List<Map<String, NDArray>> shards = new ArrayList<>();
            List.of(names).forEach(n -> shards.add(new LinkedHashMap<>()));
            Map<String, String> places = new LinkedHashMap<>();
            int i = 0;
            for (String tensor : whole.entries().keySet()) {
                shards.get(i % names.length).put(tensor, whole.read(tensor, manager));
                places.put(tensor, names[i++ % names.length]);
            }
            for (int s = 0; s < names.length; s++) {
                if (names[s].contains("fp16")) {
                    writeHalves(folder.resolve(names[s]), shards.get(s));
                } else {
                    SafeTensorsWriter.write(folder.resolve(names[s]), shards.get(s), Map.of());
                }
            }
            Json.MAPPER.writeValue(folder.resolve(index).toFile(), Map.of("metadata", Map.of(), "weight_map", places));
        }
    }

    private static void writeHalves(Path file, Map<String, NDArray> tensors) throws IOException {
        var header = Json.MAPPER.createObjectNode();
        ByteBuffer body = ByteBuffer.allocate(1 << 21).order(ByteOrder.LITTLE_ENDIAN);
        tensors.forEach((name, tensor) -> {
            int begin = body.position();
            try (NDArray half = tensor.toType(DataType.FLOAT16, true)) {
                body.put(half.toByteBuffer());
            }
            var node = header.putObject(name).put("dtype", "F16");
            node.set("shape", Json.MAPPER.valueToTree(tensor.getShape().getShape()));
            node.putArray("data_offsets").add(begin).add(body.position());
        });
        byte[] head = Json.MAPPER.writeValueAsString(header).getBytes(StandardCharsets.UTF_8);
        ByteBuffer start = ByteBuffer.allocate(8 + head.length).order(ByteOrder.LITTLE_ENDIAN);
        start.putLong(head.length).put(head).flip();
        try (var out = Files.newByteChannel(
                file, java.nio.file.StandardOpenOption.CREATE, java.nio.file.StandardOpenOption.WRITE)) {
            out.write(start);
            out.write(body.flip());
        }
    }

    private void assertGoldenOutput(double tolerance) {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                Goldens golden = new Goldens("unet-a", manager);
                UNet unet = UNet.open(new FolderPart(folder, Part.UNet), Precision.Float32, manager)) {
            NDArray y = unet.forward(
                    golden.get("sample"),
                    golden.get("timesteps"),
                    Conditioning.of(golden.get("context")),
                    ProjectionDeltas.NONE);
            Goldens.assertClose(y, golden.get("output"), tolerance, "output");
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
    void shardsThatAnIndexJoinsAreOneFile() throws IOException {
        shard(
                STEM + ".safetensors.index.json",
                STEM + "-00001-of-00002.safetensors",
                STEM + "-00002-of-00002.safetensors");

        assertGoldenOutput(1e-4);
    }

    @Test
    void halfPrecisionVariantIsRead() throws IOException {
        shard("unused.json", STEM + ".fp16.safetensors");

        assertGoldenOutput(1e-2);
    }

    @Test
    void shardedHalfPrecisionVariantIsRead() throws IOException {
        shard(
                STEM + ".safetensors.index.fp16.json",
                STEM + ".fp16-00001-of-00002.safetensors",
                STEM + ".fp16-00002-of-00002.safetensors");

        assertGoldenOutput(1e-2);
    }

    @Test
    void fullPrecisionGoesBeforeTheVariant() throws IOException {
        Files.writeString(folder.resolve(STEM + ".fp16.safetensors"), "broken");
        Files.copy(Goldens.FOLDER.resolve("unet-a/" + STEM + ".safetensors"), folder.resolve(STEM + ".safetensors"));

        assertGoldenOutput(1e-4);
    }

    @Test
    void everyMissingShardIsNamed() throws IOException {
        shard(STEM + ".safetensors.index.json", "a.safetensors", "b.safetensors", "c.safetensors");
        Files.delete(folder.resolve("a.safetensors"));
        Files.delete(folder.resolve("c.safetensors"));

        assertRefused("index.json names must be there, but these are missing: a.safetensors, c.safetensors");
    }

    @Test
    void tensorThatItsShardLacksIsNamed() throws IOException {
        shard(STEM + ".safetensors.index.json", "a.safetensors", "b.safetensors");
        Files.copy(
                folder.resolve("a.safetensors"),
                folder.resolve("b.safetensors"),
                java.nio.file.StandardCopyOption.REPLACE_EXISTING);

        assertRefused("index.json names must be there, but these are missing: ", "conv_in.");
    }

    @Test
    void indexCannotNameFilesElsewhere() throws IOException {
        Json.MAPPER.writeValue(
                folder.resolve(STEM + ".safetensors.index.json").toFile(),
                Map.of("weight_map", Map.of("conv_in.weight", "../other.safetensors")));

        assertRefused("must name .safetensors files beside it, but names \"../other.safetensors\"");
    }
}
