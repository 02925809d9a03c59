package training.lora.trainer.source;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/** Repositories of a hub on loopback. */
abstract class HubFetchingTests {
    static final String REPOSITORY = "someone/tiny-sd";

    @TempDir
    Path folder;

    TestHub hub;

    Fetching fetching;

    @BeforeEach
    void start() throws IOException {
        hub = new TestHub(Files.createDirectories(folder.resolve("scratch")), "models", REPOSITORY);
        fetching =
                new Fetching(folder).with("HF_ENDPOINT", hub.endpoint() + "/").with("HF_TOKEN", "hf_secret");
    }

    @AfterEach
    void stop() {
        hub.close();
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static Source source(Use use, String uri) {
        return new Source("spec.x.uri", uri, use, null, null);
    }

    static Source model(String rest) {
        return source(Use.BaseModel, "hf://" + REPOSITORY + rest);
    }

    /** As repositories of diffusers are: everything in many forms. */
    void addModel() {
        hub.add("model_index.json", bytes("{}"))
                .add(".gitattributes", bytes("*.bin"))
                .add("README.md", bytes("# A model"))
                .add("tiny.safetensors", bytes("a whole checkpoint"))
                .add("tiny.ckpt", bytes("a pickle"))
                .add("feature_extractor/preprocessor_config.json", bytes("{}"))
                .add("safety_checker/model.safetensors", bytes("safety"))
                .add("scheduler/scheduler_config.json", bytes("{\"scheduler\": 1}"))
                .add("tokenizer/vocab.json", bytes("{\"vocab\": 1}"))
                .add("tokenizer/merges.txt", bytes("#version"))
                .add("tokenizer/tokenizer_config.json", bytes("{}"))
                .add("text_encoder/config.json", bytes("{\"text\": 1}"))
                .add("text_encoder/model.safetensors", bytes("text"))
                .add("text_encoder/model.fp16.safetensors", bytes("half a text"))
                .add("text_encoder/pytorch_model.bin", bytes("a pickle"))
                .add("unet/config.json", bytes("{\"unet\": 1}"))
                .add("unet/diffusion_pytorch_model.fp16-00001-of-00002.safetensors", bytes("one"))
                .add("unet/diffusion_pytorch_model.fp16-00002-of-00002.safetensors", bytes("two"))
                .add("unet/diffusion_pytorch_model.safetensors.index.fp16.json", bytes("{\"index\": 1}"))
                .add("unet/diffusion_pytorch_model.non_ema.safetensors", bytes("other weights"))
                .add("unet/diffusion_pytorch_model.safetensors", bytes("single"))
                .add("unet/diffusion_flax_model.msgpack", bytes("flax"))
                .add("vae/config.json", bytes("{\"vae\": 1}"))
                .add("vae/diffusion_pytorch_model.safetensors", bytes("vae"));
    }

    static List<String> files(Path tree) throws IOException {
        try (Stream<Path> all = Files.walk(tree)) {
            return all.filter(Files::isRegularFile)
                    .map(file -> tree.relativize(file).toString())
                    .sorted()
                    .toList();
        }
    }
}
