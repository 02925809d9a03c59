package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Artifact;
import training.lora.api.Json;
import training.lora.api.Manifest;
import training.lora.api.StageResult;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.s3.S3Prefix;
import training.lora.trainer.s3.S3Server;

/** Runs that wait until a person has looked at their captions. */
class CaptionReviewRunTest {
    private static final String NEW = "a blue bat";

    @TempDir
    Path folder;

    private TinyRun tiny;

    @BeforeEach
    void pausing() throws IOException {
        tiny = TinyRun.create(folder, "steps: 4, adapter: {rank: 2}, checkpoints: {everySteps: 2}");
        Files.writeString(
                tiny.yaml, Files.readString(tiny.yaml) + "  preparation: {captions: {pauseForReview: true}}\n");
    }

    private Path captions() {
        return tiny.workspace().resolve("output/captions.jsonl");
    }

    /** Where they wait while a result stands in the output. */
    private Path beside() {
        return tiny.workspace().resolve("output/review/captions.jsonl");
    }

    private void preparation(String more) throws IOException {
        Files.writeString(
                tiny.yaml,
                Files.readString(tiny.yaml).replace("pauseForReview: true", "pauseForReview: true, " + more));
    }

    /** The captions by the names of their pictures. */
    private static Map<String, String> texts(Path file) throws IOException {
        Map<String, String> texts = new TreeMap<>();
        for (String line : Files.readAllLines(file)) {
            JsonNode json = Json.MAPPER.readTree(line);
            texts.put(json.path("picture").asText(), json.path("text").asText());
        }
        return texts;
    }

    private void requirePublishedAsListed() throws IOException {
        assertThat(published().files())
                .allSatisfy(file -> assertThat(TinyRun.digests(tiny.workspace().resolve("output")))
                        .containsEntry(file.uri(), file.sha256()));
    }

    private static String edited(String lines, String picture, String text) throws IOException {
        StringBuilder all = new StringBuilder();
        for (String line : lines.lines().toList()) {
            ObjectNode json = (ObjectNode) Json.MAPPER.readTree(line);
            all.append(json.path("picture").asText().equals(picture) ? json.put("text", text) : json)
                    .append('\n');
        }
        return all.toString();
    }

    private void edit(String picture, String text) throws IOException {
        Files.writeString(captions(), edited(Files.readString(captions()), picture, text));
    }

    private List<Sample> samples() {
        return PreparedDataset.manifest(tiny.workspace().resolve("dataset")).samples();
    }

    private List<float[]> embeddings() {
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                PreparedDataset data = PreparedDataset.open(tiny.workspace().resolve("dataset"))) {
            return IntStream.range(0, data.size())
                    .mapToObj(i -> data.textEmbedding(i, manager).context().toFloatArray())
                    .toList();
        }
    }

    private long made() throws IOException {
        try (Stream<Path> files = Files.list(tiny.workspace().resolve(".made/text-1"))) {
            return files.count();
        }
    }

    private StageResult result(String stage) throws IOException {
        return Json.MAPPER.readValue(
                tiny.workspace().resolve("results/" + stage + "/result.json").toFile(), StageResult.class);
    }

    private Manifest published() throws IOException {
        return Json.MAPPER.readValue(
                tiny.workspace().resolve("output/manifest.json").toFile(), Manifest.class);
    }

    private Ran run(int code, String command, String... more) {
        Ran ran = tiny.run(command, more);
        assertThat(ran.code()).as(ran.output() + ran.error()).isEqualTo(code);
        return ran;
    }

    @Test
    void nothingIsTrainedUntilThePersonSaysSoAndThenOnWhatTheyWrote() throws IOException {
        assertThat(run(0, "run").output()).contains("the captions wait for a look: " + captions(), "--reviewed");

        assertThat(tiny.workspace().resolve("train")).doesNotExist();
        assertThat(tiny.workspace().resolve("output/dataset/report.html")).exists();
        assertThat(result("prepare").artifacts())
                .extracting(Artifact::name, Artifact::uri)
                .containsExactly(tuple("captions", "output/captions.jsonl"));
        List<float[]> before = embeddings();
        long made = made();
        edit("main/bat.png", NEW);
        String written = Files.readString(captions());
        assertThat(run(10, "train").error())
                .contains("the captions in " + captions() + " must have been looked at", "--reviewed");
        run(0, "run");
        assertThat(captions()).hasContent(written);

        run(0, "run", "--reviewed");

        assertThat(samples())
                .extracting(Sample::name, Sample::captionFrom)
                .containsExactly(
                        tuple("main/bat.png", "review"),
                        tuple("main/crab.png", "crab.txt"),
                        tuple("main/pear.png", "pear.txt"));
        assertThat(samples().get(0).caption()).isEqualTo(NEW);
        assertThat(made()).isEqualTo(made + 1);
        List<float[]> after = embeddings();
        assertThat(after.get(0)).isNotEqualTo(before.get(0));
        assertThat(after.subList(1, 3)).usingRecursiveComparison().isEqualTo(before.subList(1, 3));
        assertThat(result("train").message()).isEqualTo("captions were changed in the review: main/bat.png");
        assertThat(Files.readString(captions())).contains(NEW);
        assertThat(published().captionsDigest()).isNotNull();
        assertThat(published().files())
                .filteredOn(file -> file.uri().equals("captions.jsonl"))
                .extracting(Artifact::name)
                .containsExactly("captions");
        assertThat(Files.readString(tiny.workspace().resolve("output/dataset/report.html")))
                .contains(NEW);
    }

    @Test
    void captionsOfNothingAreOneSentenceWithTheLineAndCanBeMended() throws IOException {
        run(0, "prepare");
        String good = Files.readString(captions());
        byte[] manifest = Files.readAllBytes(tiny.workspace().resolve("dataset/manifest.json"));
        List<String> lines = good.lines().toList();

        assertThat(refused(text -> text.replaceFirst("\"file_name\":\"[^\"]*\"", "\"file_name\":1")))
                .contains("line 1, must name its picture in `file_name`, was 1");
        assertThat(refused(text -> text.replace("00001.png", "00009.png")))
                .contains("line 2, must be of a prepared picture, but there is no images/00009.png");
        assertThat(refused(text -> text.replace("00002.png", "00001.png")))
                .contains("line 3, must be the only one of images/00001.png, but line 2 has it too");
        assertThat(refused(text -> lines.get(0) + "\n\n" + lines.get(1)))
                .contains("must have a line for each picture, but has none for images/00002.png");
        assertThat(refused(text -> lines.get(0) + "\n" + lines.get(1).replace("\"}", "\"") + "\n" + lines.get(2)))
                .contains("line 2, must be a JSON object, but is no JSON at column");
        assertThat(refused(text -> text.replaceFirst("\"text\":\"[^\"]*\"", "\"text\":[]")))
                .contains("line 1, must have its caption in `text`, a text or a list of texts, was []");
        assertThat(refused(text -> "")).contains("has none for images/00000.png, images/00001.png, images/00002.png");
        Files.write(captions(), good.replace("bat", "bät").getBytes(StandardCharsets.ISO_8859_1));
        assertThat(run(11, "train", "--reviewed").error()).contains("line 1, is not UTF-8 text");

        Files.delete(captions());
        assertThat(run(11, "train", "--reviewed").error())
                .contains("must hold the captions, but was not there; it was written again as it was prepared");
        assertThat(captions()).hasContent(good);
        assertThat(tiny.workspace().resolve("dataset/manifest.json")).hasBinaryContent(manifest);
        assertThat(result("train").reason()).hasToString("InvalidCaptions");

        edit("main/bat.png", NEW);
        run(0, "train", "--reviewed");
        assertThat(samples().get(0).caption()).isEqualTo(NEW);
    }

    /** What is said of the captions after a change, which stays as it is. */
    private String refused(UnaryOperator<String> change) throws IOException {
        String good = Files.readString(captions());
        String wrong = change.apply(good);
        Files.writeString(captions(), wrong);
        String said = run(11, "train", "--reviewed").error();
        assertThat(said).contains(captions().toString());
        assertThat(said.lines().filter(line -> line.startsWith("lora-trainer: ")))
                .hasSize(1);
        assertThat(captions()).hasContent(wrong);
        Files.writeString(captions(), good);
        return said;
    }

    @Test
    void whatWasWrittenStaysWhenAnotherPictureComes() throws IOException {
        run(0, "run");
        edit("main/crab.png", "written by hand");
        Files.copy(folder.resolve("data/pear.png"), folder.resolve("data/apple.png"));
        Files.writeString(folder.resolve("data/pear.txt"), "another pear");
        Files.writeString(folder.resolve("data/apple.txt"), "an apple");

        run(0, "run");
        assertThat(Files.readString(captions()).lines())
                .hasSize(4)
                .anySatisfy(line -> assertThat(line).contains("apple.png", "an apple"))
                .anySatisfy(line -> assertThat(line).contains("crab.png", "written by hand"))
                .anySatisfy(line -> assertThat(line).contains("pear.png", "another pear"));

        assertThat(result("prepare").message()).endsWith(captions() + " keeps what was written of main/crab.png");

        // It is still theirs after it was taken once, and the result that was made of it stays until there is another.
        run(0, "train", "--reviewed");
        assertThat(result("train").message()).isEqualTo("captions were changed in the review: main/crab.png");
        Files.writeString(folder.resolve("data/apple.txt"), "a green apple");
        assertThat(run(0, "run").output()).contains("the captions wait for a look: " + beside());
        assertThat(texts(beside()))
                .containsEntry("main/crab.png", "written by hand")
                .containsEntry("main/apple.png", "a green apple");
        assertThat(beside().resolveSibling("report.html")).content().contains("a green apple");
        assertThat(result("prepare").artifacts())
                .extracting(Artifact::uri)
                .containsExactly("output/review/captions.jsonl");
        assertThat(texts(captions())).containsEntry("main/apple.png", "an apple");
        requirePublishedAsListed();

        String good = Files.readString(beside());
        Files.writeString(beside(), "{");
        assertThat(run(11, "train", "--reviewed").error()).contains(beside() + ", line 1, must be a JSON object");
        Files.writeString(folder.resolve("data/apple.txt"), "a red apple");
        run(0, "prepare");
        assertThat(result("prepare").message())
                .contains(beside() + ", line 1, must be a JSON object", "at column 2", "it stays as it is");
        assertThat(beside()).hasContent("{");

        Files.writeString(beside(), good);
        run(0, "train", "--reviewed");
        assertThat(texts(captions()))
                .containsEntry("main/crab.png", "written by hand")
                .containsEntry("main/apple.png", "a green apple");
        assertThat(beside().getParent()).doesNotExist();
        requirePublishedAsListed();
    }

    @Test
    void linesOfPreparedPicturesAloneAreKeptInAnyOrderAndLinesOfNoneStay() throws IOException {
        run(0, "run");
        Files.writeString(captions(), """
                {"file_name": "images/00002.png", "text": "a yellow pear"}
                {"file_name": "images/00000.png", "text": "a blue bat"}
                """);
        Files.copy(folder.resolve("data/pear.png"), folder.resolve("data/apple.png"));
        Files.writeString(folder.resolve("data/apple.txt"), "an apple");
        Files.writeString(folder.resolve("data/crab.txt"), "another crab");

        run(0, "prepare");

        assertThat(texts(captions()))
                .isEqualTo(Map.of(
                        "main/apple.png", "an apple",
                        "main/bat.png", "a blue bat",
                        "main/crab.png", "another crab",
                        "main/pear.png", "a yellow pear"));

        String ofNone = "{\"file_name\": \"images/00009.png\", \"text\": \"a plum\"}";
        Files.writeString(captions(), ofNone);
        Files.writeString(folder.resolve("data/apple.txt"), "a red apple");
        run(0, "prepare");
        assertThat(result("prepare").message())
                .endsWith(
                        captions()
                                + ", line 1, must be of a prepared picture, but there is no images/00009.png; it stays as it is, and without it the captions would be as they are prepared");
        assertThat(captions()).hasContent(ofNone);
    }

    @Test
    void anotherWorkspaceTakesOfAResultWhatAPersonWroteAlone() throws IOException {
        run(0, "prepare");
        edit("main/bat.png", NEW);
        run(0, "train", "--reviewed");
        Files.writeString(folder.resolve("data/pear.txt"), "another pear");
        Path output = tiny.workspace().resolve("output");
        TinyRun anew = tiny.in(folder.resolve("anew"));

        Ran ran = anew.run("prepare", "--output", output.toString());

        assertThat(ran.code()).as(ran.error()).isZero();
        assertThat(texts(beside())).containsEntry("main/bat.png", NEW).containsEntry("main/pear.png", "another pear");
        assertThat(Files.readString(anew.workspace().resolve("results/prepare/result.json")))
                .contains(beside() + " keeps what was written of main/bat.png\"");
        requirePublishedAsListed();
    }

    @Test
    void captionsThatNobodyTouchedAreNotChanged() throws IOException {
        preparation("prefix: 'zorb, '");
        Files.writeString(folder.resolve("data/bat.txt"), "");

        run(0, "run", "--reviewed");

        assertThat(samples())
                .extracting(Sample::caption, Sample::captionFrom)
                .first()
                .isEqualTo(tuple("zorb, ", "bat.txt"));
        assertThat(result("train").message()).isNull();
    }

    @Test
    void theReportStillTellsOfConceptsAfterTheReview() throws IOException {
        preparation("cleanUp: Rules");
        Files.writeString(
                tiny.yaml,
                Files.readString(tiny.yaml)
                        .replace(
                                "datasets: [{uri: data}]",
                                "datasets: [{uri: data, concept: {mode: Object, trigger: zorb, className: bat}}]"));
        Files.writeString(folder.resolve("data/bat.txt"), "a photo of a bat");
        run(0, "prepare");
        Path report = tiny.workspace().resolve("dataset/report.json");
        JsonNode before = Json.MAPPER.readTree(report.toFile());
        edit("main/bat.png", NEW);

        run(0, "train", "--reviewed");

        JsonNode after = Json.MAPPER.readTree(report.toFile());
        assertThat(after.at("/pictures/0/caption").asText()).isEqualTo(NEW);
        assertThat(after.at("/concepts/0/noun").asText()).isEqualTo("bat");
        assertThat(after.path("concepts")).isEqualTo(before.path("concepts"));
    }

    @Test
    void captionsOfAFinishedRunThatAreEditedTrainItAnew() throws IOException {
        run(0, "run", "--reviewed");
        byte[] first = tiny.lora();
        assertThat(run(0, "run", "--reviewed").output()).contains("nothing to do");
        edit("main/bat.png", NEW);
        assertThat(run(0, "run").output()).contains("nothing to do");

        assertThat(run(0, "run", "--reviewed").output()).doesNotContain("nothing to do");

        assertThat(result("prepare").message())
                .contains("trained anew because captions were edited in its captions.jsonl");
        assertThat(tiny.lora()).isNotEqualTo(first);
        assertThat(samples().get(0).caption()).isEqualTo(NEW);

        // What was changed in the review has not changed where it came from.
        Files.writeString(folder.resolve("data/pear.txt"), "another pear");
        run(0, "run");
        assertThat(result("prepare").message())
                .contains("trained anew because the caption of main/pear.png has changed");
    }

    @Test
    void anAttemptAfterTheResultWasPublishedHasNothingToTake() throws IOException {
        run(0, "prepare");
        edit("main/bat.png", NEW);
        run(0, "train", "--reviewed");
        byte[] trained = tiny.lora();
        // As if it had ended before the stages that follow.
        Path manifest = tiny.workspace().resolve("output/manifest.json");
        ObjectNode json = (ObjectNode) Json.MAPPER.readTree(manifest.toFile());
        Json.MAPPER.writeValue(manifest.toFile(), json.put("finished", false));

        run(0, "train", "--reviewed", "--attempt", "2");

        assertThat(beside()).doesNotExist();
        assertThat(tiny.lora()).isEqualTo(trained);
    }

    @Test
    void aTrainingThatWasInterruptedGoesOnWithTheCaptionsThatItBeganWith() throws IOException {
        run(0, "prepare");
        edit("main/bat.png", NEW);
        run(0, "train", "--reviewed");
        byte[] whole = tiny.lora();
        Files.delete(tiny.state(4));
        edit("main/bat.png", "too late");

        run(0, "train", "--reviewed");

        assertThat(result("train").message())
                .isEqualTo(
                        captions()
                                + " was edited after the training had begun, which goes on with the captions that it began with");
        assertThat(samples().get(0).caption()).isEqualTo(NEW);
        assertThat(tiny.lora()).isEqualTo(whole);
    }

    @Test
    void captionsWaitInTheBucket() throws IOException {
        S3Server server = S3Server.running();
        String uri = "s3://" + server.newBucket() + "/loras/tiny";
        Files.writeString(tiny.yaml, Files.readString(tiny.yaml) + "  output: {uri: \"%s\"}\n".formatted(uri));
        URI endpoint = URI.create("http://127.0.0.1:" + server.port());
        try (S3Prefix bucket = server.open(uri)) {
            Ran ran = tiny.runWith(S3Server.lookup(endpoint), "run");
            assertThat(ran.code()).as(ran.error()).isZero();
            assertThat(ran.output()).contains("the captions wait for a look: " + uri + "/captions.jsonl");
            assertThat(result("prepare").artifacts())
                    .extracting(Artifact::uri)
                    .containsExactly(uri + "/captions.jsonl");
            String there = new String(Objects.requireNonNull(bucket.read("captions.jsonl")), StandardCharsets.UTF_8);
            bucket.write("captions.jsonl", "{".getBytes(StandardCharsets.UTF_8));
            assertThat(tiny.runWith(S3Server.lookup(endpoint), "train", "--reviewed")
                            .error())
                    .contains(uri + "/captions.jsonl, line 1, must be a JSON object");
            bucket.write("captions.jsonl", edited(there, "main/bat.png", NEW).getBytes(StandardCharsets.UTF_8));

            ran = tiny.runWith(S3Server.lookup(endpoint), "run", "--reviewed");

            assertThat(ran.code()).as(ran.error()).isZero();
            assertThat(samples().get(0).caption()).isEqualTo(NEW);
            assertThat(new String(Objects.requireNonNull(bucket.read("captions.jsonl")), StandardCharsets.UTF_8))
                    .isEqualTo(Files.readString(captions()))
                    .contains(NEW);
        }
    }
}
