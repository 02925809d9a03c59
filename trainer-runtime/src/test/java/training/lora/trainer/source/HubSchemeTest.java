package training.lora.trainer.source;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.files.Sha256;

class HubSchemeTest {
    private static final String REPOSITORY = "someone/tiny-sd";

    @TempDir
    Path folder;

    private TestHub hub;
    private Fetching fetching;

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

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static Source source(Use use, String uri) {
        return new Source("spec.x.uri", uri, use, null, null);
    }

    private static Source model(String rest) {
        return source(Use.BaseModel, "hf://" + REPOSITORY + rest);
    }

    /** As repositories of diffusers are: everything in many forms. */
    private void addModel() {
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

    private static List<String> files(Path tree) throws IOException {
        try (Stream<Path> all = Files.walk(tree)) {
            return all.filter(Files::isRegularFile)
                    .map(file -> tree.relativize(file).toString())
                    .sorted()
                    .toList();
        }
    }

    @Test
    void ofAModelThatIsFetchedWhichIsNeeded() throws IOException {
        addModel();
        hub.serve();

        Path tree = fetching.path(model("@v1.0"));

        assertThat(files(tree))
                .containsExactly(
                        "model_index.json",
                        "scheduler/scheduler_config.json",
                        "text_encoder/config.json",
                        "text_encoder/model.fp16.safetensors",
                        "tokenizer/merges.txt",
                        "tokenizer/tokenizer_config.json",
                        "tokenizer/vocab.json",
                        "unet/config.json",
                        "unet/diffusion_pytorch_model.fp16-00001-of-00002.safetensors",
                        "unet/diffusion_pytorch_model.fp16-00002-of-00002.safetensors",
                        "unet/diffusion_pytorch_model.safetensors.index.fp16.json",
                        "vae/config.json",
                        "vae/diffusion_pytorch_model.safetensors");
        for (String file : files(tree)) {
            assertThat(tree.resolve(file)).hasBinaryContent(hub.content(file));
        }
        FetchedSource entry = fetching.entry(model("@v1.0"));
        assertThat(entry.version()).isEqualTo(TestHub.COMMIT);
        assertThat(entry.files()).isEqualTo(13);
        assertThat(hub.hub().requests())
                .extracting(TestServer.Request::authorization)
                .containsOnly("Bearer hf_secret");
        assertThat(hub.store().requests())
                .hasSize(4)
                .extracting(TestServer.Request::authorization)
                .containsOnlyNulls();
        // Files of the same content are one.
        assertThat(new TreeSet<>(
                        hub.hub().take().stream().map(TestServer.Request::path).toList()))
                .hasSize(2 + 12);
        hub.store().take();

        assertThat(fetching.path(model("@v1.0"))).isEqualTo(tree);

        assertThat(hub.hub().requests())
                .extracting(TestServer.Request::path)
                .containsExactly(
                        "/api/models/someone/tiny-sd/revision/v1.0",
                        "/api/models/someone/tiny-sd/tree/" + TestHub.COMMIT + "?recursive=true&expand=false");
        assertThat(hub.store().requests()).isEmpty();
    }

    @Test
    void commitIsNotAskedForAgain() throws IOException {
        addModel();
        hub.serve();
        fetching.path(model("@" + TestHub.COMMIT));
        hub.hub().take();

        fetching.path(model("@" + TestHub.COMMIT));

        assertThat(hub.hub().requests()).isEmpty();
    }

    @Test
    void branchThatMovedWithoutNewContentHasTheSameFingerprint() throws IOException {
        addModel();
        hub.serve();
        String before = fetching.fetcher().fingerprint(model(""));
        hub.add("README.md", bytes("# Another text")).serve("f".repeat(40));

        assertThat(fetching.fetcher().fingerprint(model(""))).isEqualTo(before).isNotNull();

        hub.add("vae/config.json", bytes("{\"vae\": 2}")).serve("e".repeat(40));
        assertThat(fetching.fetcher().fingerprint(model(""))).isNotEqualTo(before);
    }

    @ParameterizedTest
    @CsvSource({
        "/tiny.safetensors,tiny.safetensors",
        "@main/tiny.safetensors,tiny.safetensors",
        "@refs/pr/1/tiny.safetensors,tiny.safetensors",
        "@refs%2Fpr%2F1/unet/config.json,config.json"
    })
    void oneFileIsFetchedAlone(String rest, String name) throws IOException {
        addModel();
        hub.pagesOf(3).serve();

        Path file = fetching.path(model(rest));

        assertThat(file).isRegularFile().hasFileName(name);
        assertThat(fetching.entry(model(rest)).files()).isEqualTo(1);
    }

    @Test
    void autoencoderClipAndAdapterAreFoundByTheirUse() throws IOException {
        addModel();
        hub.add("pytorch_lora_weights/adapter.safetensors", bytes("lora")).serve();

        assertThat(files(fetching.path(source(Use.Vae, "hf://" + REPOSITORY + "/vae"))))
                .containsExactly("config.json", "diffusion_pytorch_model.safetensors");
        assertThat(files(fetching.path(source(Use.Clip, "hf://" + REPOSITORY + "/text_encoder"))))
                .containsExactly("config.json", "model.fp16.safetensors");
        assertThat(fetching.path(source(Use.InitFrom, "hf://" + REPOSITORY + "/pytorch_lora_weights")))
                .hasFileName("adapter.safetensors");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "InitFrom | hf://someone/tiny-sd/unet | 10 | must name one of its .safetensors files, as in hf://someone/tiny-sd/unet/diffusion",
                "BaseModel | hf://someone/tiny-sd/tokenizer | 12 | must hold a diffusers model (model_index.json) or one .safetensors file, but holds merges.txt",
                "BaseModel | hf://someone/tiny-sd/flux.safetensors | 10 | must name a file or folder that is there, but there is no flux.safetensors; there are .gitattributes",
                "BaseModel | hf://someone/tiny-sd@v2 | 10 | must name a branch, a tag or a commit of someone/tiny-sd, but there is no v2",
                "BaseModel | hf://someone/else | 10 | must name a repository that the token of HF_TOKEN may read, but",
                "BaseModel | hf://someone/tiny-sd/unet/../.. | 10 | must name a file or folder of its repository",
                "Clip | hf://someone/tiny-sd | 12 | must hold a CLIP model (config.json), but holds"
            })
    void whatIsNotThereIsTold(Use use, String uri, int code, String sentence) throws IOException {
        addModel();
        hub.serve();
        hub.hub()
                .on(
                        "/api/models/someone/tiny-sd/revision/v2",
                        e -> e.fail(404, Map.of("X-Error-Code", "RevisionNotFound")));
        hub.hub()
                .on("/api/models/someone/else/revision/main", e -> e.fail(404, Map.of("X-Error-Code", "RepoNotFound")));

        TrainerException failure = fetching.refused(source(use, uri));

        assertThat(failure.reason().exitCode()).as(failure.getMessage()).isEqualTo(code);
        assertThat(failure).hasMessageContaining(sentence);
    }

    @Test
    void weightsThatAreOnlyAPickleAreRefusedBeforeAnythingIsFetched() throws IOException {
        hub.add("model_index.json", bytes("{}"))
                .add("unet/config.json", bytes("{}"))
                .add("unet/diffusion_pytorch_model.bin", bytes("a pickle"))
                .serve();

        TrainerException failure = fetching.refused(model(""));

        assertThat(failure.reason()).isEqualTo(Reason.InvalidBaseModel);
        assertThat(failure)
                .hasMessageContaining(
                        "`spec.x.uri` hf://someone/tiny-sd must have the weights unet/diffusion_pytorch_model.safetensors, but has them only as a pickle (unet/diffusion_pytorch_model.bin)");
        assertThat(hub.store().requests()).isEmpty();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "401 | false | is gated: visit HUB/someone/tiny-sd, ask for access and accept its terms, and give that account's token: set HF_TOKEN, call `hf auth login`, or name a Secret in `spec.x.secretRef`",
                "403 | true | is gated: visit HUB/someone/tiny-sd with the account whose token HF_TOKEN has"
            })
    void gatedRepositoryIsToldWithThePageToVisit(int status, boolean token, String sentence) throws IOException {
        addModel();
        hub.serve();
        if (!token) {
            fetching.environment.remove("HF_TOKEN");
        }
        hub.hub()
                .on(
                        "/someone/tiny-sd/resolve/" + TestHub.COMMIT + "/model_index.json",
                        exchange -> exchange.fail(
                                status, Map.of("X-Error-Code", "GatedRepo", "X-Error-Message", "Restricted")));

        TrainerException failure = fetching.refused(model(""));

        assertThat(failure.reason()).isEqualTo(Reason.InvalidConfiguration);
        assertThat(failure).hasMessageContaining(sentence.replace("HUB", hub.endpoint()));
    }

    @Test
    void tokenThatTheHubDoesNotTakeIsTold() throws IOException {
        hub.hub()
                .on(
                        "/api/models/someone/tiny-sd/revision/main",
                        exchange -> exchange.fail(
                                401, Map.of("X-Error-Message", "Invalid credentials in Authorization header")));

        assertThat(fetching.refused(model("")))
                .hasMessageContaining("needs a token that is valid")
                .hasMessageContaining("Invalid credentials");
        fetching.environment.remove("HF_TOKEN");
        assertThat(fetching.refused(model("")))
                .hasMessageContaining(
                        "where it is private give a token: set HF_TOKEN, call `hf auth login`, or name a Secret in `spec.x.secretRef`");
    }

    @Test
    void fileOfAnotherDigestThanTheListingsIsRefused() throws IOException {
        hub.add("a.safetensors", bytes("weights"))
                .promise("a.safetensors", "0".repeat(64))
                .serve();

        TrainerException failure = fetching.refused(model("/a.safetensors"));

        assertThat(failure.reason()).isEqualTo(Reason.InvalidBaseModel);
        assertThat(failure)
                .hasMessageContaining("must have the sha256 " + "0".repeat(64) + " in a.safetensors, but has");
        assertThat(fetching.cache.root().resolve("partial").toFile().list()).allMatch(name -> name.endsWith(".lock"));
    }

    @Test
    void smallFileThatIsNotWhatGitNamesIsRefused() throws IOException {
        addModel();
        hub.serve();
        hub.hub()
                .file(
                        "/someone/tiny-sd/resolve/" + TestHub.COMMIT + "/vae/config.json",
                        bytes("{\"vae\": 9}"),
                        "\"etag\"");

        assertThat(fetching.refused(model("")))
                .hasMessageContaining("must have the git object")
                .hasMessageContaining("vae/config.json");
    }

    @Test
    void digestOfTheSpecIsComparedBeforeAnythingIsFetched() throws IOException {
        addModel();
        hub.serve();
        Source source = new Source(
                "spec.baseModel.uri", "hf://" + REPOSITORY + "/tiny.safetensors", Use.BaseModel, "1".repeat(64), null);

        assertThat(fetching.refused(source)).hasMessageContaining("`spec.baseModel.sha256` must be the sha256 of ");
        assertThat(hub.store().requests()).isEmpty();
        assertThat(fetching.refused(new Source(
                        "spec.baseModel.uri", "hf://" + REPOSITORY + "/unet", Use.Vae, "1".repeat(64), null)))
                .hasMessageContaining("must name one file where `spec.baseModel.sha256` is set");
    }

    @Test
    void picturesOfADataRepositoryAreFetchedWithoutItsTables() throws IOException {
        try (TestHub data = new TestHub(folder.resolve("scratch"), "datasets", "someone/pictures")) {
            data.add("README.md", bytes("# Pictures"))
                    .add("train/a b.png", bytes("picture a"))
                    .add("train/a b.txt", bytes("a cat"))
                    .add("data.parquet", bytes("a table"))
                    .serve();
            fetching.with("HF_ENDPOINT", data.endpoint());
            for (String uri : List.of(
                    "hf://someone/pictures", "hf://datasets/someone/pictures@main", "hf://someone/pictures/train")) {
                Path tree = fetching.path(source(Use.Dataset, uri));
                assertThat(files(tree))
                        .allMatch(name -> name.matches("(train/)?a b\\.(png|txt)"))
                        .hasSize(2);
            }
            assertThat(data.hub().requests())
                    .noneMatch(request -> request.path().contains("README"));
        }
    }

    @Test
    void archiveOfADataRepositoryIsTaken() throws IOException {
        try (TestHub data = new TestHub(folder.resolve("scratch"), "datasets", "someone/pictures")) {
            data.add("README.md", bytes("# Pictures"))
                    .add("pictures.zip", bytes("PK"))
                    .serve();
            fetching.with("HF_ENDPOINT", data.endpoint());

            assertThat(fetching.path(source(Use.Dataset, "hf://someone/pictures")))
                    .hasFileName("pictures.zip");
        }
    }

    @Test
    void filesOfAHubsCacheAreReadFromThere() throws IOException {
        addModel();
        hub.serve();
        Path cache = folder.resolve("hub/models--someone--tiny-sd");
        Files.createDirectories(cache.resolve("blobs"));
        byte[] vae = hub.content("vae/diffusion_pytorch_model.safetensors");
        Files.write(folder.resolve("scratch/vae"), vae);
        Files.write(cache.resolve("blobs").resolve(Sha256.of(folder.resolve("scratch/vae"))), vae);
        Path config = cache.resolve("snapshots").resolve(TestHub.COMMIT).resolve("vae/config.json");
        Files.createDirectories(config.getParent());
        Files.write(config, hub.content("vae/config.json"));
        fetching.with("HF_HUB_CACHE", folder.resolve("hub").toString());

        Path tree = fetching.path(source(Use.Vae, "hf://" + REPOSITORY + "/vae"));

        assertThat(tree.resolve("diffusion_pytorch_model.safetensors")).hasBinaryContent(vae);
        assertThat(hub.store().requests()).isEmpty();
        assertThat(hub.hub().requests()).noneMatch(request -> request.path().contains("/resolve/"));

        Files.createDirectories(cache.resolve("refs"));
        Files.writeString(cache.resolve("refs/main"), TestHub.COMMIT);
        Files.createSymbolicLink(
                config.resolveSibling("diffusion_pytorch_model.safetensors"),
                cache.resolve("blobs").resolve(Sha256.of(folder.resolve("scratch/vae"))));
        hub.hub().take();
        fetching.with("HF_HUB_OFFLINE", "1");
        assertThat(fetching.path(source(Use.Vae, "hf://" + REPOSITORY + "/vae")))
                .isEqualTo(tree);
        assertThat(hub.hub().requests()).isEmpty();
        assertThat(fetching.refused(source(Use.Vae, "hf://someone/else/vae")))
                .hasMessageContaining("must be in the Hub's cache while HF_HUB_OFFLINE is set");
    }

    @Test
    void damagedFileOfAHubsCacheIsFetchedFromTheHub() throws IOException {
        addModel();
        hub.serve();
        String name = "diffusion_pytorch_model.safetensors";
        byte[] vae = hub.content("vae/" + name);
        byte[] damaged = vae.clone();
        damaged[vae.length - 1] ^= 1;
        Path cached = folder.resolve("hub/models--someone--tiny-sd/snapshots")
                .resolve(TestHub.COMMIT)
                .resolve("vae")
                .resolve(name);
        Files.createDirectories(cached.getParent());
        Files.write(cached, damaged);
        fetching.with("HF_HUB_CACHE", folder.resolve("hub").toString());

        Path tree = fetching.path(source(Use.Vae, "hf://" + REPOSITORY + "/vae"));

        assertThat(tree.resolve(name)).hasBinaryContent(vae);
        assertThat(cached).hasBinaryContent(damaged);
        assertThat(fetching.waits).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "a file", "a Secret"})
    void tokenThatIsNoneIsToldByThePlaceThatItIsFrom(String from) throws IOException {
        hub.hub()
                .on(
                        "/api/models/" + REPOSITORY + "/revision/main",
                        exchange -> exchange.fail(401, Map.of("X-Error-Message", "Invalid credentials")));
        fetching.environment.remove("HF_TOKEN");
        Source source = source(Use.Vae, "hf://" + REPOSITORY);
        String holder = from;
        switch (from) {
            case "a file" -> {
                Path token = folder.resolve("home/.cache/huggingface/token");
                Files.createDirectories(token.getParent());
                Files.writeString(token, "hf_of_a_file\n");
                holder = token + " (of `hf auth login`)";
            }
            case "a Secret" -> {
                Files.createDirectories(folder.resolve("secrets/mine"));
                Files.writeString(folder.resolve("secrets/mine/token"), "hf_of_a_secret\n");
                fetching.with("LORA_SECRETS", folder.resolve("secrets").toString());
                source = new Source(source.field(), source.uri(), source.use(), null, "mine");
                holder = "`" + source.beside("secretRef") + "`";
            }
            default -> fetching.with(from, "hf_of_a_variable");
        }

        assertThat(fetching.refused(source))
                .hasMessageContaining("needs a token that is valid, but " + hub.endpoint() + " takes that of " + holder
                        + " for none (Invalid credentials)");
    }

    @Test
    void commandThatReadsNoSecretsIsToldOfTheTokenThatItTakes() throws IOException {
        hub.serve();
        fetching.environment.remove("HF_TOKEN");

        TrainerException failure =
                fetching.refused(new Source("--base", "hf://someone/else", Use.BaseModel, null, null));

        assertThat(failure)
                .hasMessageStartingWith("`--base` hf://someone/else must name a repository that is open to all, but ")
                .hasMessageEndingWith("where it is private give a token: set HF_TOKEN, call `hf auth login`")
                .hasMessageNotContaining("secretRef");
    }

    @Test
    void tokenIsFoundWhereTheHubsOwnToolsKeepIt() throws IOException {
        addModel();
        hub.serve();
        fetching.environment.remove("HF_TOKEN");
        Files.createDirectories(folder.resolve("home/.cache/huggingface"));
        Files.writeString(folder.resolve("home/.cache/huggingface/token"), "hf_of_a_file\n");

        fetching.path(source(Use.Vae, "hf://" + REPOSITORY + "/vae"));

        assertThat(hub.hub().take())
                .extracting(TestServer.Request::authorization)
                .containsOnly("Bearer hf_of_a_file");
        fetching.with("LORA_PVC_ROOT", "/pvc").with("LORA_SOURCES_ALLOW", "127.0.0.0/8");
        fetching.path(source(Use.Clip, "hf://" + REPOSITORY + "/text_encoder"));
        assertThat(hub.hub().requests())
                .extracting(TestServer.Request::authorization)
                .containsOnlyNulls();
    }

    @Test
    void answerOfNoHubIsTold() throws IOException {
        hub.hub()
                .on(
                        "/api/models/someone/tiny-sd/revision/main",
                        exchange -> exchange.text("<html>Welcome to the hotel</html>"));

        assertThat(fetching.refused(model("")))
                .hasMessageContaining(
                        "must be answered by a Hub (HF_ENDPOINT), but what " + hub.endpoint() + " answers is no JSON");
    }
}
