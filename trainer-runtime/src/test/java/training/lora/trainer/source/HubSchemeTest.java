package training.lora.trainer.source;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.trainer.files.Sha256;

class HubSchemeTest extends HubFetchingTests {
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
}
