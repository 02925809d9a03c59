package training.lora.trainer.track;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Json;
import training.lora.api.RunSpec;
import training.lora.api.Stage;
import training.lora.trainer.files.Sha256;

/** What Weights & Biases is told. */
class WandbTest {
    private static final Api.Key KEY = Api.Key.password("api", "k3y", "`spec.tracking.wandb.secretRef`");

    private static final List<Path> PICTURES =
            List.of(Path.of("src/test/resources/pictures/whole.png"), Path.of("src/test/resources/pictures/alpha.png"));

    @TempDir
    Path folder;

    private Collector server;

    @BeforeEach
    void start() throws IOException {
        server = Collector.wandb();
    }

    @AfterEach
    void stop() {
        server.close();
    }

    private void tell(Api.Key key, Ending ending, Point... points) throws IOException {
        RunSpec run = Runs.of("{'wandb': {'uri': '%s', 'project': 'things'}}".formatted(server.uri()));
        Wandb wandb =
                new Wandb(Runs.wandb(run), run, Runs.api(server.uri(), key), step -> step == 10 ? PICTURES : List.of());
        Tracker tracker = Runs.tracker(folder, wandb, run);
        for (Point point : points) {
            tracker.accept(point);
        }
        tracker.ends(ending);
        tracker.close();
    }

    private static JsonNode json(String text) {
        try {
            return Json.MAPPER.readTree(text);
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private String run() throws IOException {
        return server.asked("/graphql").get(0).json().at("/variables/name").asText();
    }

    private List<JsonNode> streamed() throws IOException {
        List<JsonNode> found = new ArrayList<>();
        for (Collector.Asked asked : server.asked("/files/me/things/" + run() + "/file_stream")) {
            found.add(asked.json());
        }
        return found;
    }

    /** Lines of the history by the places that they were sent to. */
    private List<JsonNode> history() throws IOException {
        List<JsonNode> lines = new ArrayList<>();
        for (JsonNode body : streamed()) {
            JsonNode file = body.at("/files/wandb-history.jsonl");
            if (!file.isMissingNode()) {
                assertThat(file.path("offset").asInt()).isEqualTo(lines.size());
                file.path("content").forEach(line -> lines.add(json(line.asText())));
            }
        }
        return lines;
    }

    @Test
    void theHistoryTheSummaryAndTheEndReachTheProject() throws IOException {
        tell(KEY, Ending.Finished, Runs.loss(10, 0.5), Runs.loss(20, 0.25), Runs.score(10, 0.75));

        JsonNode made = server.asked("/graphql").get(0).json();
        assertThat(made.path("query").asText()).contains("upsertBucket");
        assertThat(made.at("/variables/project").asText()).isEqualTo("things");
        assertThat(made.at("/variables/displayName").asText()).isEqualTo("robot");
        JsonNode config = json(made.at("/variables/config").asText());
        assertThat(config.at("/training/value/optimizer/learningRate").asDouble())
                .isEqualTo(3e-4);
        assertThat(config.toString()).doesNotContain("secret");
        assertThat(server.asked(""))
                .extracting(Collector.Asked::key)
                .containsOnly(
                        "Basic " + Base64.getEncoder().encodeToString("api:k3y".getBytes(StandardCharsets.UTF_8)));

        assertThat(history())
                .containsExactly(
                        json("{\"_step\": 10, \"_timestamp\": 1.70000001E9, \"_runtime\": 0.0, \"loss\": 0.5}"),
                        json("{\"_step\": 20, \"_timestamp\": 1.70000002E9, \"_runtime\": 10.0, \"loss\": 0.25}"),
                        json(
                                "{\"_step\": 21, \"_timestamp\": 1.7000001E9, \"_runtime\": 90.0, \"checkpoint/score\": 0.75, \"checkpoint/step\": 10}"));
        JsonNode last = streamed().get(streamed().size() - 1);
        assertThat(last.path("complete").asBoolean()).isTrue();
        assertThat(last.path("exitcode").asInt(-1)).isZero();
        JsonNode summary = json(streamed()
                .get(streamed().size() - 2)
                .at("/files/wandb-summary.json/content/0")
                .asText());
        assertThat(summary.path("loss").asDouble()).isEqualTo(0.25);
        assertThat(summary.path("checkpoint/score").asDouble()).isEqualTo(0.75);
    }

    private static Point drawn() {
        return new Point(Stage.Train, 10, 1_700_000_010_000L, Map.of("loss", 0.5), PICTURES);
    }

    @Test
    void picturesGoToTheUrlsThatItGivesAndTheHistoryNamesThem() throws IOException {
        tell(KEY, Ending.Finished, drawn(), Runs.loss(20, 0.25));

        String digest = Sha256.of(PICTURES.get(0));
        String name = "media/images/samples/0_10_%s.png".formatted(digest.substring(0, 20));
        JsonNode picture = history().get(0).path("samples/0");
        assertThat(picture).isEqualTo(json("""
                        {"_type": "image-file", "path": "%s", "sha256": "%s", "size": %d, "format": "png",
                         "width": 48, "height": 32}""".formatted(name, digest, Files.size(PICTURES.get(0)))));
        assertThat(history().get(1).has("samples/0")).isFalse();
        List<Collector.Asked> put = server.asked("/put/" + name);
        assertThat(put).hasSize(1);
        assertThat(put.get(0).method()).isEqualTo("PUT");
        assertThat(put.get(0).body()).isEqualTo(Files.readAllBytes(PICTURES.get(0)));
        assertThat(put.get(0).key()).as("whoever knows the url is let in").isNull();
        assertThat(streamed()).anySatisfy(body -> assertThat(body.path("uploaded"))
                .extracting(JsonNode::asText)
                .containsExactly(name, history().get(0).at("/samples~11/path").asText()));
    }

    @Test
    void aServerThatTakesNoPicturesIsToldTheRest() throws IOException {
        // The run, then the urls of pictures.
        server.failing(200, 400);

        tell(KEY, Ending.Finished, drawn(), Runs.loss(20, 0.25));

        assertThat(server.asked("/graphql")).hasSize(2);
        assertThat(history()).extracting(line -> line.path("_step").asInt()).containsExactly(10, 20);
    }

    @Test
    void aRunThatIsResumedGoesOnInTheSameOneAndTellsNoStepTwice() throws IOException {
        tell(KEY, Ending.Interrupted, Runs.loss(10, 0.5), Runs.loss(15, 0.375));
        tell(KEY, Ending.Failed, Runs.loss(15, 0.375), Runs.loss(20, 0.25));

        assertThat(server.asked("/graphql")).hasSize(2);
        assertThat(server.asked("/graphql").get(1).json().at("/variables/name").asText())
                .isEqualTo(run());
        assertThat(history()).extracting(line -> line.path("_step").asInt()).containsExactly(10, 15, 20);
        assertThat(history().get(2).path("_runtime").asDouble()).isEqualTo(10);
        assertThat(streamed())
                .extracting(body -> body.path("exitcode").asInt(-1))
                .contains(255, 1);
    }

    @Test
    void withoutAKeyNothingIsAskedAndTheHistoryIsKept() throws IOException {
        tell(Api.Key.none("WANDB_API_KEY"), Ending.Finished, Runs.loss(10, 0.5));

        assertThat(server.asked("")).isEmpty();
        assertThat(Files.readAllLines(folder.resolve("wandb-history.jsonl")))
                .containsExactly("{\"_step\":10,\"_timestamp\":1.70000001E9,\"_runtime\":0.0,\"loss\":0.5}");
    }
}
