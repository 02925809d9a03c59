package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.Goldens;
import training.lora.trainer.model.basemodel.SingleGoldens;
import training.lora.trainer.tensor.SafeTensors;

/** Whole runs from a single file, beside those from the same weights as a diffusers folder. */
class SingleFileRunTest {
    @TempDir
    Path folder;

    private TinyRun run(String name, String base) throws IOException {
        Path place = Files.createDirectories(folder.resolve(name));
        return TinyRun.create(
                place,
                "baseModel: {uri: %s}\n  preparation: {resolution: 64}".formatted(folder.resolve(base)),
                "steps: 3, batchSize: 2, adapter: {rank: 2, targets: [Attention, FeedForward, Convolution]}",
                "{steps: 2, prompts: [{text: a cat, seed: 1}]}",
                "{clip: {uri: %s}}"
                        .formatted(Goldens.BUNDLED.resolve("emoji-clip").toAbsolutePath()));
    }

    @ParameterizedTest
    @CsvSource({"tiny-sd15, SD15", "tiny-sdxl, SDXL"})
    void runGivesWhatTheSameWeightsInAFolderGive(String model, String family) throws IOException {
        SingleGoldens.writeFile(model, folder.resolve("model.safetensors"));
        SingleGoldens.writeFolder(model, folder.resolve("model"));
        TinyRun single = run("single", "model.safetensors");
        TinyRun other = run("other", "model");

        Ran ended = single.run("run");
        assertThat(ended.code()).as(ended.error()).isZero();
        assertThat(other.run("run").code()).isZero();

        assertThat(values(single)).isNotEmpty().isEqualTo(values(other));
        Path output = single.workspace().resolve("output");
        for (String same : new String[] {"loss.jsonl", "samples.png"}) {
            assertThat(Files.readAllBytes(output.resolve(same)))
                    .as(same)
                    .isEqualTo(Files.readAllBytes(
                            other.workspace().resolve("output").resolve(same)));
        }
        assertThat(Json.MAPPER
                        .readTree(output.resolve("manifest.json").toFile())
                        .get("model")
                        .asText())
                .isEqualTo(family);
        assertThat(Files.readString(output.resolve("workflow.json"))).contains("\"model.safetensors\"");
        assertThat(Files.isRegularFile(output.resolve("evaluation.json"))).isTrue();
    }

    /** The trained LoRA's tensors by name, as digests of their bytes. */
    private static TreeMap<String, Integer> values(TinyRun run) {
        TreeMap<String, Integer> values = new TreeMap<>();
        Path lora = run.workspace().resolve("output").resolve(TinyRun.NAME + ".safetensors");
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                SafeTensors file = SafeTensors.open(lora)) {
            for (String name : file.entries().keySet()) {
                values.put(
                        name, java.util.Arrays.hashCode(file.read(name, manager).toFloatArray()));
            }
        }
        return values;
    }

    @Test
    void picturesAreDrawnAndInspectTellsWhatTheFileIs() throws IOException {
        Path file = folder.resolve("model.safetensors");
        SingleGoldens.writeFile("tiny-sd15", file);
        Path out = folder.resolve("pictures");

        Ran drawn = Ran.of(
                "sample",
                "--base",
                file.toString(),
                "--prompt",
                "猫",
                "--prompt",
                "犬",
                "--steps",
                "1",
                "--resolution",
                "64",
                "--out",
                out.toString());
        Ran told = Ran.of("inspect", file.toString());

        assertThat(drawn.code()).as(drawn.error()).isZero();
        assertThat(out.toFile().list()).containsExactlyInAnyOrder("picture-0.png", "picture-0-2.png");
        assertThat(told.error()).isEmpty();
        assertThat(told.output().lines().map(l -> l.replaceAll(" +", " ")))
                .contains(
                        "what a Stable Diffusion 1 checkpoint",
                        "family SD15",
                        "prediction epsilon, for nothing says otherwise",
                        "as base model for pictures of 256 pixels");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            lora.safetensors  | must be a checkpoint of Stable Diffusion 1.x or SDXL, but is an adapter, such as a LoRA
            model.ckpt        | must be a .safetensors file: a pickle can run code and is never opened; convert it
            torn.safetensors  | must be a whole safetensors file
            """)
    void whatIsNoCheckpointEndsTheRunAsABadBaseModel(String name, String message) throws IOException {
        Path file = folder.resolve(name);
        if (name.startsWith("lora")) {
            String header = "{\"lora_unet_conv_in.alpha\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}} ";
            Files.write(
                    file,
                    (new String(new char[] {(char) header.length()}) + "\0\0\0\0\0\0\0" + header + "\0\0\0\0")
                            .getBytes(java.nio.charset.StandardCharsets.ISO_8859_1));
        } else {
            Files.write(file, new byte[] {(byte) 0x80, 2, 0x7d, 0x71, 0, 0x2e, 1, 2, 3, 4});
        }
        if (name.startsWith("torn")) {
            Files.write(file, new byte[] {40, 0, 0, 0, 0, 0, 0, 0, '{'});
        }

        Ran ended = run("run", name).run("prepare");

        assertThat(ended.code()).isEqualTo(Reason.InvalidBaseModel.exitCode());
        assertThat(ended.error()).contains(file + " " + message);
    }
}
