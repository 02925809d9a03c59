package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.trainer.track.Collector;

/** Runs of which a service is told. */
class TrackedRunTest {
    private static final String KEY = "open-sesame";

    @TempDir
    Path folder;

    private Map<String, String> secrets(String key) throws IOException {
        Path secret = Files.createDirectories(folder.resolve("secrets/mlflow"));
        Files.writeString(secret.resolve(key), KEY);
        return Map.of("LORA_SECRETS", folder.resolve("secrets").toString());
    }

    private static String tracking(String uri) {
        return "tracking={mlflow: {uri: \"%s\", experiment: known, secretRef: {name: mlflow}}}".formatted(uri);
    }

    @Test
    void aTrackedTrainingHasTheSameBitsWhetherItsServerIsThereOrNotAndShowsNoKey() throws IOException {
        TinyRun plain = TinyRun.create(folder, "steps: 4, adapter: {rank: 2}, checkpoints: {everySteps: 2}");
        TinyRun tracked = plain.in(folder.resolve("tracked"));
        TinyRun lost = plain.in(folder.resolve("lost"));
        assertThat(plain.run("run").code()).isZero();
        String gone;
        try (Collector server = Collector.mlflow("mlflow-artifacts:/3/r1/artifacts")) {
            gone = server.uri();
            Ran ran = tracked.runWith(secrets("token")::get, "run", "--set", tracking(server.uri()));

            assertThat(ran.code()).as(ran.error()).isZero();
            assertThat(ran.output() + ran.error()).doesNotContain(KEY);
            TreeSet<Integer> steps = new TreeSet<>();
            for (Collector.Asked asked : server.asked("runs/log-batch")) {
                for (JsonNode metric : asked.json().path("metrics")) {
                    if (metric.path("key").asText().equals("loss")) {
                        steps.add(metric.path("step").asInt());
                    }
                }
            }
            assertThat(steps).contains(2, 4);
            assertThat(server.asked("runs/update").get(0).json().path("status").asText())
                    .isEqualTo("FINISHED");
            assertThat(server.asked("")).extracting(Collector.Asked::key).containsOnly("Bearer " + KEY);
        }
        Ran ran = lost.runWith(secrets("token")::get, "run", "--set", tracking(gone));
        assertThat(ran.code()).as(ran.error()).isZero();

        assertThat(tracked.lora()).isEqualTo(plain.lora());
        assertThat(lost.lora()).isEqualTo(plain.lora());
        assertThat(lost.workspace().resolve("tracking/mlflow.jsonl")).content().contains("\"step\":4");
        try (Stream<Path> files = Files.walk(tracked.workspace())) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                assertThat(Files.readString(file, StandardCharsets.ISO_8859_1))
                        .as(file.toString())
                        .doesNotContain(KEY);
            }
        }
    }

    @Test
    void aSecretWithoutWhatOpensTheServerIsAWrongConfiguration() throws IOException {
        TinyRun tiny = TinyRun.create(folder, "steps: 2, adapter: {rank: 2}");

        Ran ran = tiny.runWith(secrets("key")::get, "run", "--set", tracking("http://127.0.0.1:9"));

        assertThat(ran.code()).isEqualTo(10);
        assertThat(ran.error())
                .contains(
                        "`spec.tracking.mlflow.secretRef` must name a Secret with token, or username and password, but mlflow has [key]");
    }
}
