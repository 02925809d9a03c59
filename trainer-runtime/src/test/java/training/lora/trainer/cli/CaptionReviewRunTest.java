package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import training.lora.api.Artifact;
import training.lora.api.Json;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.s3.S3Prefix;
import training.lora.trainer.s3.S3Server;

/** Runs that wait until a person has looked at their captions. */
class CaptionReviewRunTest extends ReviewedRun {
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
