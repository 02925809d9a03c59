package training.lora.trainer.source;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;

/** What of a hub is refused: files that aren't there or aren't what they are said to be, and tokens. */
class HubRefusalsTest extends HubFetchingTests {
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
