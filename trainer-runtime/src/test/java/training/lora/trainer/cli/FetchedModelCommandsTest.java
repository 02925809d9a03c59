package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.Json;
import training.lora.api.Reason;
import training.lora.trainer.Goldens;
import training.lora.trainer.source.TestHub;
import training.lora.trainer.tensor.Randomness;
import training.lora.trainer.tensor.SafeTensors;
import training.lora.trainer.tensor.SafeTensorsWriter;

/** Commands with a base model from a repository on loopback that has fp16 weights and a safety checker, as the published ones. */
class FetchedModelCommandsTest {
    private static final String BASE = "hf://someone/emoji";

    private static final String LAYER = "mid_block.attentions.0.transformer_blocks.0.attn2.to_k";

    private static final Path BUNDLED = Goldens.BUNDLED.resolve("emoji-sd");

    @TempDir
    Path folder;

    private TestHub hub;

    private Map<String, String> environment;

    @BeforeEach
    void start() throws IOException {
        hub = new TestHub(Files.createDirectories(folder.resolve("scratch")), "models", "someone/emoji");
        environment = new TreeMap<>(hub.environment(folder.resolve("home"), null));
        environment.put("XDG_CACHE_HOME", folder.resolve("cache").toString());
    }

    @AfterEach
    void stop() {
        hub.close();
    }

    private Ran ran(String... arguments) {
        return Ran.of(environment::get, arguments);
    }

    /** The bundled model, as repositories name its files. */
    private void publish() throws IOException {
        try (Stream<Path> files = Files.walk(BUNDLED)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                String name = BUNDLED.relativize(file).toString();
                hub.add(name.replace(".safetensors", ".fp16.safetensors"), Files.readAllBytes(file));
            }
        }
        ObjectNode index = index(BUNDLED);
        index.putArray("safety_checker").add("stable_diffusion").add("StableDiffusionSafetyChecker");
        index.putArray("feature_extractor").add("transformers").add("CLIPImageProcessor");
        hub.add("model_index.json", Json.MAPPER.writeValueAsBytes(index))
                .add("safety_checker/config.json", new byte[] {'{', '}'})
                .add("safety_checker/model.fp16.safetensors", new byte[8])
                .add("feature_extractor/preprocessor_config.json", new byte[] {'{', '}'})
                .serve();
    }

    private static ObjectNode index(Path model) throws IOException {
        return (ObjectNode)
                Json.MAPPER.readTree(model.resolve("model_index.json").toFile());
    }

    /** A LoRA of rank 2 and scale 1 beside one layer. */
    private Path lora(NDManager manager) throws IOException {
        String module = "lora_unet_" + LAYER.replace('.', '_');
        Path file = folder.resolve("lora.safetensors");
        SafeTensorsWriter.write(
                file,
                Map.of(
                        module + ".lora_down.weight", Randomness.normal(manager, 1, new Shape(2, 128)),
                        module + ".lora_up.weight", Randomness.normal(manager, 2, new Shape(128, 2)),
                        module + ".alpha", manager.create(2f)),
                Map.of("ss_base_model_version", "sd_v1"));
        return file;
    }

    @Test
    void whatIsMergedIsAFolderThatDiffusersOpensByItsNameAlone() throws IOException {
        publish();
        Path out = folder.resolve("out");
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Path lora = lora(manager);

            Ran merged = ran("merge", "--base", BASE, "--lora", lora.toString(), "--out", out.toString());

            assertThat(merged.code()).as(merged.error()).isZero();
            assertThat(TinyRun.digests(out).keySet())
                    .isEqualTo(TinyRun.digests(BUNDLED).keySet());
            assertThat(index(out)).isEqualTo(index(BUNDLED));
            for (String same : List.of("vae/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors")) {
                assertThat(TinyRun.digests(out))
                        .containsEntry(same, TinyRun.digests(BUNDLED).get(same));
            }
            String unet = "unet/diffusion_pytorch_model.safetensors";
            try (SafeTensors before = SafeTensors.open(BUNDLED.resolve(unet));
                    SafeTensors after = SafeTensors.open(out.resolve(unet))) {
                NDArray change = Randomness.normal(manager, 2, new Shape(128, 2))
                        .matMul(Randomness.normal(manager, 1, new Shape(2, 128)));
                Goldens.assertClose(
                        after.read(LAYER + ".weight", manager),
                        before.read(LAYER + ".weight", manager).add(change),
                        1e-3,
                        "the adapted weight");
                assertThat(after.read("conv_in.weight", manager).toFloatArray())
                        .containsExactly(before.read("conv_in.weight", manager).toFloatArray());
            }
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "merge --base BASE --lora typo.safetensors=0.5 --out OUT | typo.safetensors must be a readable file",
                "merge --base BASE --lora WORD --out OUT | word.safetensors must be a LoRA of Stable Diffusion 1.x or XL, but is a textual-inversion embedding",
                "export typo.safetensors --to A1111Baked --base BASE --out OUT.safetensors | typo.safetensors must be a readable file",
                "extract --base BASE --tuned nowhere --rank 4 --out OUT | `--tuned` nowhere: must name a folder or file, but there is none at",
                "extract --base BASE --tuned BASE --rank 0 --out OUT | --rank must be at least 1, was 0",
                "sample --base BASE --lora typo.safetensors --prompt x --out OUT | typo.safetensors must be a readable file",
                "sample --base BASE --lora WORD=much --prompt x --out OUT | --lora must be FILE or FILE=SHARE with a number as its share, was",
                "sample --base BASE --embedding typo.safetensors --prompt x --out OUT | typo.safetensors must be a readable file",
                "sample --base BASE --device cuda:99 --prompt x --out OUT | `--device` cuda:99 must be"
            })
    void whatIsOnThisMachineIsLookedAtBeforeABaseModelIsFetched(String line, String sentence) throws IOException {
        Path word = folder.resolve("word.safetensors");
        try (NDManager manager = NDManager.newBaseManager("PyTorch")) {
            SafeTensorsWriter.write(
                    word, Map.of("emb_params", Randomness.normal(manager, 3, new Shape(2, 128))), Map.of());
        }
        List<String> arguments = new ArrayList<>();
        for (String argument : line.split(" ")) {
            arguments.add(argument.replace("BASE", BASE)
                    .replace("WORD", word.toString())
                    .replace("OUT", folder.resolve("out").toString()));
        }

        Ran refused = ran(arguments.toArray(String[]::new));

        assertThat(refused.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(refused.error()).contains(sentence);
        assertThat(hub.hub().take()).isEmpty();
    }
}
