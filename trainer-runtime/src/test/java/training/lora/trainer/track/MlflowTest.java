package training.lora.trainer.track;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.entry;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.RunSpec;
import training.lora.api.Stage;

/** What a server of MLflow is told, and what becomes of a run whose server fails. */
class MlflowTest {
    private static final String KEY = "open-sesame";

    private static final String STORED = "mlflow-artifacts:/4/r1/artifacts";

    @TempDir
    Path folder;

    private Collector server;

    @BeforeEach
    void start() throws IOException {
        server = Collector.mlflow(STORED);
    }

    @AfterEach
    void stop() {
        server.close();
    }

    private Tracker tracker(String uri, String more) throws IOException {
        RunSpec run = Runs.of("{'mlflow': {'uri': '%s'%s}}".formatted(uri, more));
        Api api = Runs.api(uri, Api.Key.token(KEY, "`spec.tracking.mlflow.secretRef`"));
        return Runs.tracker(
                folder.resolve("tracking"), new Mlflow(Runs.mlflow(run), run, api, folder.resolve("train")), run);
    }

    private Tracker tracker() throws IOException {
        return tracker(server.uri(), "");
    }

    private void tell(Ending ending, Point... points) throws IOException {
        Tracker tracker = tracker();
        tell(tracker, ending, points);
    }

    private static void tell(Tracker tracker, Ending ending, Point... points) {
        for (Point point : points) {
            tracker.accept(point);
        }
        tracker.ends(ending);
        tracker.close();
    }

    /** Of each call of runs/log-batch that has some. */
    private List<JsonNode> batches(String what) throws IOException {
        List<JsonNode> found = new ArrayList<>();
        for (Collector.Asked asked : server.asked("runs/log-batch")) {
            if (asked.json().has(what)) {
                assertThat(asked.json().path("run_id").asText()).isEqualTo("r1");
                found.add(asked.json().path(what));
            }
        }
        return found;
    }

    private List<String> losses() throws IOException {
        List<String> found = new ArrayList<>();
        for (JsonNode batch : batches("metrics")) {
            batch.forEach(metric -> found.add("%s %s at %s"
                    .formatted(
                            metric.path("key").asText(),
                            metric.path("value").asText(),
                            metric.path("step").asInt())));
        }
        return found;
    }

    private List<String> statuses() throws IOException {
        List<String> found = new ArrayList<>();
        for (Collector.Asked asked : server.asked("runs/update")) {
            found.add(asked.json().path("status").asText());
        }
        return found;
    }

    /** Where nothing listens. */
    private static String nowhere() throws IOException {
        try (ServerSocket closed = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return "http://127.0.0.1:" + closed.getLocalPort();
        }
    }

    /** What is logged meanwhile. */
    private static String logged(ThrowingRunnable body) throws IOException {
        PrintStream before = System.err;
        ByteArrayOutputStream log = new ByteArrayOutputStream();
        System.setErr(new PrintStream(log, true, StandardCharsets.UTF_8));
        try {
            body.run();
        } finally {
            System.setErr(before);
        }
        return log.toString(StandardCharsets.UTF_8);
    }

    private interface ThrowingRunnable {
        void run() throws IOException;
    }

    @Test
    void metricsAtTheirStepsParametersAndPicturesReachARunOfTheExperiment() throws IOException {
        Path picture = folder.resolve("train/samples/step-000020/00.png");
        Files.createDirectories(picture.getParent());
        Files.writeString(picture, "a picture");

        tell(
                Ending.Finished,
                Runs.loss(10, 0.5),
                new Point(Stage.Train, 20, 7, Map.of("loss", Double.NaN), List.of(picture)),
                Runs.score(20, 0.75));

        assertThat(server.asked("experiments/create").get(0).json().path("name").asText())
                .isEqualTo("lora-trainings");
        JsonNode made = server.asked("runs/create").get(0).json();
        assertThat(made.path("experiment_id").asText()).isEqualTo("4");
        assertThat(made.path("run_name").asText()).isEqualTo("robot");
        assertThat(losses()).containsExactly("loss 0.5 at 10", "loss NaN at 20", "checkpoint/score 0.75 at 20");
        assertThat(batches("metrics").get(0).get(0).path("timestamp").asLong()).isEqualTo(1_700_000_010_000L);
        assertThat(server.asked("/00.png").get(0))
                .satisfies(put -> assertThat(put.method()).isEqualTo("PUT"))
                .satisfies(put -> assertThat(put.path())
                        .isEqualTo("/api/2.0/mlflow-artifacts/artifacts/4/r1/artifacts/samples/step-000020/00.png"))
                .satisfies(put -> assertThat(put.body()).asString().isEqualTo("a picture"));
        assertThat(statuses()).containsExactly("FINISHED");
        assertThat(server.asked("")).extracting(Collector.Asked::key).containsOnly("Bearer " + KEY);

        Map<String, String> parameters = new TreeMap<>();
        batches("params")
                .get(0)
                .forEach(p ->
                        parameters.put(p.path("key").asText(), p.path("value").asText()));
        assertThat(parameters)
                .contains(
                        entry("baseModel.uri", "https://host/base.safetensors"),
                        entry("datasets.0.concept.trigger", "zorbot"),
                        entry("training.steps", "20"),
                        entry("training.optimizer.learningRate", "3.0E-4"))
                .doesNotContainKey("baseModel.secretRef.name");
    }

    @Test
    void anExperimentThatIsThereIsUsedAndPicturesAreLeftOutWhereTheServerStoresNone() throws IOException {
        server.close();
        server = Collector.mlflow("s3://bucket/4/r1");
        Path picture = Files.createDirectories(folder.resolve("train")).resolve("a.png");
        Files.writeString(picture, "a picture");
        Point both = new Point(Stage.Train, 5, 7, Map.of("loss", 0.5), List.of(picture, picture));

        String log = logged(
                () -> tell(tracker(server.uri(), ", 'experiment': 'known', 'runName': 'mine'"), Ending.Finished, both));

        assertThat(server.asked("experiments/create")).isEmpty();
        JsonNode made = server.asked("runs/create").get(0).json();
        assertThat(made.path("experiment_id").asText()).isEqualTo("3");
        assertThat(made.path("run_name").asText()).isEqualTo("mine");
        assertThat(losses()).containsExactly("loss 0.5 at 5");
        assertThat(server.asked("a.png")).isEmpty();
        assertThat(log.split("gets no pictures", -1)).as("told once").hasSize(2);
    }

    @Test
    void aCallHasAtMostAThousandMetrics() throws IOException {
        Point[] points = IntStream.range(0, 450)
                .mapToObj(i -> new Point(Stage.Train, i, i, Map.of("a", 1.0 * i, "b", 2.0 * i, "c", 3.0), List.of()))
                .toArray(Point[]::new);
        // Nothing is sent before all is there.
        tell(tracker(nowhere(), ""), Ending.Interrupted, points);
        tell(Ending.Finished);

        assertThat(batches("metrics")).extracting(JsonNode::size).containsExactly(1000, 350);
        assertThat(losses()).hasSize(1350).doesNotHaveDuplicates().contains("b 898.0 at 449");
        assertThat(batches("params"))
                .allSatisfy(params -> assertThat(params.size()).isBetween(1, 100));
    }

    @Test
    void aRunThatIsResumedGoesOnInTheSameOne() throws IOException {
        tell(Ending.Interrupted, Runs.loss(5, 0.5));
        // As of a process that was killed while it wrote.
        Path file = folder.resolve("tracking/mlflow.jsonl");
        Files.writeString(file, Files.readString(file) + "{\"metr");
        tell(Ending.Finished, Runs.loss(10, 0.25));

        assertThat(server.asked("runs/create")).hasSize(1);
        assertThat(statuses()).containsExactly("KILLED", "RUNNING", "FINISHED");
        assertThat(losses()).containsExactly("loss 0.5 at 5", "loss 0.25 at 10");

        // One that is finished, and started again for nothing, asks for nothing; nor does it fail there.
        int before = server.asked("").size();
        tell(Ending.Finished);
        tell(Ending.Failed);
        assertThat(server.asked("")).hasSize(before);

        // Trained anew it is another.
        tell(Ending.Finished, Runs.loss(0, 1), Runs.loss(5, 0.75));
        assertThat(server.asked("runs/create")).hasSize(2);
        assertThat(losses()).endsWith("loss 1.0 at 0", "loss 0.75 at 5");
    }

    @Test
    void aServerThatFailsForAWhileHearsAllOfItOnce() throws IOException {
        server.failing(500, 429);

        String log = logged(() -> tell(Ending.Failed, Runs.loss(5, 0.5), Runs.loss(10, 0.25)));

        assertThat(losses()).containsExactly("loss 0.5 at 5", "loss 0.25 at 10");
        assertThat(statuses()).containsExactly("FAILED");
        assertThat(log.split("could not be told", -1)).as("told once").hasSize(2);
    }

    @Test
    void aServerThatWantsAnotherKeyIsAskedOnceAndTheKeyIsNotShown() throws IOException {
        server.failing(401);

        String log = logged(() -> tell(Ending.Finished, Runs.loss(5, 0.5), Runs.loss(10, 0.25)));

        assertThat(server.asked("")).hasSize(1);
        assertThat(log)
                .containsOnlyOnce("could not be told of the run, which goes on: there must be a key that it accepts"
                        + " (`spec.tracking.mlflow.secretRef`), but it answered 401")
                .doesNotContain(KEY);
        assertThat(Files.readAllLines(folder.resolve("tracking/mlflow.jsonl")))
                .containsExactly(
                        "{\"metrics\":[{\"key\":\"loss\",\"value\":0.5,\"timestamp\":1700000005000,\"step\":5}]}",
                        "{\"metrics\":[{\"key\":\"loss\",\"value\":0.25,\"timestamp\":1700000010000,\"step\":10}]}");
    }

    @Test
    void whatAServerSaysOfAKeyIsShownWithoutIt() throws IOException {
        server.failing(400);

        String log = logged(() -> tell(Ending.Finished, Runs.loss(5, 0.5)));

        assertThat(log).contains("it answered 400").contains("no: Bearer …").doesNotContain(KEY);
    }

    @Test
    void whereNothingListensAllIsKeptAndToldByTheNextProcess() throws IOException {
        String uri = nowhere();
        long begin = System.nanoTime();
        String log = logged(() -> tell(tracker(uri, ""), Ending.Interrupted, Runs.loss(5, 0.5), Runs.loss(10, 0.25)));

        assertThat((System.nanoTime() - begin) / 1e9).isLessThan(10);
        assertThat(log).containsOnlyOnce("could not be told");
        assertThat(Files.readAllLines(folder.resolve("tracking/mlflow.jsonl"))).hasSize(2);

        tell(Ending.Finished);
        assertThat(losses()).containsExactly("loss 0.5 at 5", "loss 0.25 at 10");
        assertThat(statuses()).containsExactly("FINISHED");
    }
}
