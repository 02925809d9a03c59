package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Artifact;
import training.lora.api.Json;
import training.lora.api.Manifest;
import training.lora.api.ManifestBuilder;
import training.lora.api.Reason;
import training.lora.api.StageResult;
import training.lora.trainer.files.Folders;
import training.lora.trainer.s3.FaultyLine;
import training.lora.trainer.s3.FaultyLine.Fault;
import training.lora.trainer.s3.S3Prefix;
import training.lora.trainer.s3.S3Server;

/** Whole runs whose output is a bucket, on a line that tests can cut. */
@Timeout(value = 900, unit = TimeUnit.SECONDS)
class BucketRunTest {
    @TempDir
    Path folder;

    private TinyRun tiny;
    private FaultyLine line;
    private S3Prefix bucket;

    @BeforeEach
    void bucket() throws IOException {
        S3Server server = S3Server.running();
        String uri = "s3://" + server.newBucket() + "/loras/tiny";
        bucket = server.open(uri);
        line = FaultyLine.to(server.port());
        tiny = TinyRun.create(folder, "steps: 4, adapter: {rank: 2}, checkpoints: {everySteps: 2}");
        Files.writeString(tiny.yaml, Files.readString(tiny.yaml) + "  output: {uri: \"%s\"}\n".formatted(uri));
    }

    @AfterEach
    void close() throws IOException {
        line.close();
        bucket.close();
    }

    private Process start(String command, String... more) throws IOException {
        return tiny.startWith(S3Server.environment(line.endpoint()), command, more);
    }

    /** What the command wrote, after it has ended with {@code code}. */
    private String run(int code, String command, String... more) throws IOException {
        Path log = tiny.workspace().resolve("run.log");
        Files.deleteIfExists(log);
        Ran ran = tiny.runWith(S3Server.lookup(line.endpoint()), command, more);
        String all = ran.output() + ran.error() + (Files.exists(log) ? Files.readString(log) : "");
        assertThat(ran.code()).as(all).isEqualTo(code);
        return all;
    }

    private Set<String> names() {
        Set<String> names = new TreeSet<>();
        bucket.list("").forEach(entry -> names.add(entry.name()));
        return names;
    }

    private byte[] content(String name) {
        return Objects.requireNonNull(bucket.read(name), name);
    }

    /** Sees to it that the bucket has what the output folder has, and what its manifest says. */
    private Manifest assertWhole() throws IOException {
        Path output = tiny.workspace().resolve("output");
        Map<String, String> here = new TreeMap<>(TinyRun.digests(output));
        assertThat(names()).isEqualTo(here.keySet());
        for (String name : names()) {
            assertThat(content(name)).as(name).isEqualTo(Files.readAllBytes(output.resolve(name)));
        }
        Manifest manifest = Json.MAPPER.readValue(content("manifest.json"), Manifest.class);
        assertThat(manifest.files()).allSatisfy(file -> assertThat(here).containsEntry(file.uri(), file.sha256()));
        assertThat(manifest.files()).hasSize(here.size() - 1);
        return manifest;
    }

    private StageResult result(String stage) throws IOException {
        return Json.MAPPER.readValue(
                tiny.workspace().resolve("results/" + stage + "/result.json").toFile(), StageResult.class);
    }

    @Test
    void resultLiesInTheBucketAndIsFinishedWithoutTheWorkspaceToo() throws Exception {
        String log = run(0, "run");

        assertThat(assertWhole().finished()).isTrue();
        String uri = bucket.location().uri();
        assertThat(log).contains("in " + uri);
        assertThat(result("train").artifacts())
                .extracting(Artifact::uri)
                .contains(uri + "/tiny.safetensors", uri + "/manifest.json");
        List<Artifact> trained = result("train").artifacts();
        assertThat(new String(content("manifest.json"), StandardCharsets.UTF_8)).doesNotContain("a-secret");

        Folders.delete(tiny.workspace());
        int before = line.requests().size();
        log = run(0, "run");

        assertThat(log).contains(uri + " holds this run, finished: nothing to do");
        assertThat(result("prepare").alreadyComplete()).isTrue();
        assertThat(result("prepare").artifacts()).isEqualTo(trained);
        assertThat(tiny.workspace().resolve("dataset")).doesNotExist();
        Set<String> read = new HashSet<>();
        for (String request : line.requests().subList(before, line.requests().size())) {
            assertThat(request).doesNotStartWith("PUT").doesNotStartWith("DELETE");
            if (request.startsWith("GET") && request.contains("/tiny/")) {
                read.add(request.replaceFirst(".*/tiny/", "").replaceFirst("\\?.*", ""));
            }
        }
        assertThat(read).containsExactlyInAnyOrder("manifest.json", ".publishing.json");
    }

    @Test
    void killedRunHasItsCheckpointsInTheBucketAndGoesOn() throws Exception {
        String[] more = {
            "--set",
            "training.steps=40",
            "--set",
            "training.checkpoints.everySteps=10",
            "--set",
            "training.checkpoints.keep=2"
        };
        Process process = start("run", more);
        try {
            while (process.isAlive() && names().stream().noneMatch(name -> name.endsWith("/tiny.safetensors"))) {
                TimeUnit.MILLISECONDS.sleep(10);
            }
        } finally {
            process.destroyForcibly().waitFor();
        }
        assertThat(process.exitValue()).as(Files.readString(tiny.log())).isEqualTo(128 + 9);
        assertThat(names()).contains(".publishing.json").doesNotContain("manifest.json");

        assertThat(run(0, "run", more)).contains("going on from step");

        assertThat(assertWhole().checkpoints())
                .extracting(checkpoint -> checkpoint.step())
                .containsExactly(30, 40);
    }

    @Test
    void fullBucketEndsWith21AndTheSameCommandUploadsWhatIsMissing() throws Exception {
        line.faults(request -> request.startsWith("PUT") && request.contains("/tiny/tiny.safetensors")
                ? Fault.answer(507, "QuotaExceeded")
                : null);

        String log = run(Reason.StorageFull.exitCode(), "run");

        assertThat(log).contains("`spec.output.uri` " + bucket.location().uri() + ": there must be room in the bucket");
        assertThat(result("train").reason()).isEqualTo(Reason.StorageFull);
        assertThat(names()).doesNotContain("manifest.json").contains("loss.png", ".publishing.json");
        Map<String, String> trained = TinyRun.digests(tiny.workspace().resolve("train"));
        line.faults(request -> null);
        int before = line.requests().size();

        log = run(0, "run");

        assertWhole();
        assertThat(log).contains("is uploaded").doesNotContain("parameters in");
        assertThat(TinyRun.digests(tiny.workspace().resolve("train"))).isEqualTo(trained);
        List<String> sent = new ArrayList<>();
        for (String request : line.requests().subList(before, line.requests().size())) {
            if (request.startsWith("PUT")) {
                sent.add(request.replaceFirst(".*/tiny/", "").replaceFirst("\\?.*", ""));
            }
        }
        assertThat(sent)
                .doesNotContain("loss.png", "checkpoints/step-000004/tiny.safetensors")
                .contains("tiny.safetensors");
    }

    @Test
    void outageWhileItTrainsCostsNothingButTheUploadOfCheckpoints() throws Exception {
        line.faults(request -> request.startsWith("PUT")
                        && request.contains("/checkpoints/")
                        && !Files.exists(tiny.workspace().resolve("train/summary.json"))
                ? Fault.answer(403, "AccessDenied")
                : null);

        String log = run(0, "run", "--set", "training.steps=20", "--set", "training.checkpoints.everySteps=5");

        assertThat(log).contains("checkpoints could not be written to the output, the training goes on");
        assertWhole();
    }

    @Test
    void bucketOfAnotherIsRefusedBeforeAnythingIsComputed() throws Exception {
        bucket.write("my.safetensors", new byte[10]);

        String log = run(Reason.OutputOwned.exitCode(), "run");

        assertThat(log)
                .contains(
                        "the output must be empty or this run's own, but %s holds my.safetensors, which no run of default/tiny wrote; take another `spec.output.uri`"
                                .formatted(bucket.location().uri()));
        assertThat(names()).containsExactly("my.safetensors");
        assertThat(tiny.workspace().resolve("dataset")).doesNotExist();
    }

    @Test
    void wrongBucketIsToldAtOnceAndTheRightOneGetsWhatWasTrained() throws Exception {
        run(0, "run");
        Files.writeString(
                tiny.yaml, Files.readString(tiny.yaml).replace(bucket.location().uri(), "s3://no-such-bucket/x"));

        String log = run(Reason.InvalidConfiguration.exitCode(), "run");

        assertThat(log)
                .contains("`spec.output.uri` s3://no-such-bucket/x: the bucket no-such-bucket must exist, but "
                        + line.endpoint() + " has none of that name");
        String other = bucket.location().uri() + "-2";
        Files.writeString(tiny.yaml, Files.readString(tiny.yaml).replace("s3://no-such-bucket/x", other));

        log = run(0, "run");

        assertThat(log).contains("going on from step 4 of 4");
        try (S3Prefix second = S3Server.running().open(other)) {
            assertThat(second.read("tiny.safetensors")).isEqualTo(content("tiny.safetensors"));
        }
    }

    @Test
    void commandLineOverridesTheBucket() throws Exception {
        Path mine = folder.resolve("mine");

        run(0, "run", "--output", mine.toString());

        assertThat(mine.resolve("tiny.safetensors")).exists();
        assertThat(names()).isEmpty();
        assertThat(line.requests()).isEmpty();
    }

    @Test
    void finishedRunOfAnotherWorkspaceIsNotReplacedByThatOfThisOne() throws Exception {
        run(0, "run");
        Manifest here = Json.MAPPER.readValue(content("manifest.json"), Manifest.class);
        Manifest others =
                ManifestBuilder.builder(here).time("2020-01-01T00:00:00Z").build();
        byte[] before = Json.PRETTY.writeValueAsBytes(others);
        bucket.write("manifest.json", before);

        String log = run(0, "run");

        assertThat(log).contains("finished: nothing to do").doesNotContain("is uploaded");
        assertThat(content("manifest.json")).isEqualTo(before);
    }
}
