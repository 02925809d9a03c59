package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import training.lora.api.Json;
import training.lora.trainer.Goldens;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.dataset.PreparedDataset;
import training.lora.trainer.files.Sha256;
import training.lora.trainer.source.TestServer;

/** Pictures that come without captions: what a run trains them on. */
class CaptionersRunTest {
    private static final String BLIP =
            Goldens.BUNDLED.resolve("emoji-blip").toAbsolutePath().normalize().toString();

    @TempDir
    Path folder;

    private TinyRun tiny;

    @BeforeEach
    void threeRobots() throws IOException {
        tiny = TinyRun.create(folder, "steps: 2, adapter: {rank: 2}");
        Path data = folder.resolve("data");
        for (String name : List.of("bat", "crab", "pear")) {
            Files.delete(data.resolve(name + ".png"));
            Files.delete(data.resolve(name + ".txt"));
        }
        for (String name : List.of("robot-00", "robot-01", "robot-03")) {
            Files.copy(Goldens.BUNDLED.resolve("robot/" + name + ".png"), data.resolve(name + ".png"));
        }
    }

    private static String[] with(String captions) {
        return new String[] {
            "--set",
            "preparation={resolution: 128, captions: {%s}}".formatted(captions),
            "--set",
            "datasets=[{uri: data, concept: {mode: Object, trigger: blorp}}]"
        };
    }

    private static String blip(String more) {
        return "source: Blip, model: {uri: \"%s\"}%s".formatted(BLIP, more);
    }

    private List<Sample> samples() {
        return PreparedDataset.manifest(tiny.workspace().resolve("dataset")).samples();
    }

    @Test
    void blipSaysWhatTransformersSaysWhereNothingLiesBesideAPictureAndAgain() throws IOException {
        Files.writeString(folder.resolve("data/robot-01.txt"), "my own words");

        Ran ran = tiny.run("prepare", with(blip("")));
        assertThat(ran.code()).as(ran.error()).isZero();
        assertThat(ran.error()).contains("main/robot-00.png: ");

        JsonNode said = Json.MAPPER
                .readTree(Goldens.FOLDER.resolve("blip/texts.json").toFile())
                .path("bundled");
        assertThat(samples())
                .extracting(Sample::caption, Sample::captionFrom)
                .containsExactly(
                        tuple("blorp, " + said.path("robot/robot-00.png").asText(), "Blip"),
                        tuple("blorp, my own words", "robot-01.txt"),
                        tuple("blorp, " + said.path("robot/robot-03.png").asText(), "Blip"));
        TinyRun again = tiny.in(folder.resolve("again"));
        assertThat(again.run("prepare", with(blip(""))).code()).isZero();
        assertThat(again.workspace().resolve("dataset/manifest.json"))
                .hasSameBinaryContentAs(tiny.workspace().resolve("dataset/manifest.json"));

        // A model that makes masks is none that captions.
        String segment =
                "preparation={resolution: 128, captions: {%s}, mask: {source: Segment, prompts: [robot], model: {uri: \"%s\"}}}";
        Ran masked = tiny.run(
                "prepare",
                "--set",
                segment.formatted(
                        blip(""), Goldens.BUNDLED.resolve("emoji-clipseg").toAbsolutePath()),
                "--set",
                "datasets=[{uri: data, concept: {mode: Object, trigger: blorp}}]");
        assertThat(masked.code()).as(masked.error()).isZero();
        assertThat(masked.error()).contains("made anew: 0 pictures, 3 masks").doesNotContain("main/robot-00.png: ");

        // Another beginning is another data set.
        assertThat(tiny.run("prepare", with(blip(", beginning: a robot"))).code())
                .isZero();
        assertThat(samples().get(0).caption()).startsWith("blorp, a robot ");
    }

    @Test
    void twoPicturesOfOneNameAreRefusedInOneFolderAlsoWhereAModelCaptionsThemAndAreTwoInTwo() throws IOException {
        Path data = folder.resolve("data");
        Files.move(data.resolve("robot-03.png"), data.resolve("robot-00.jpg"));

        Ran ran = tiny.run("prepare", with(blip("")));

        assertThat(ran.code()).isEqualTo(11);
        assertThat(ran.error())
                .contains("data set \"main\"")
                .contains("robot-00.png and robot-00.jpg share one caption");
        assertThat(tiny.workspace().resolve("dataset")).doesNotExist();

        Files.createDirectories(data.resolve("more"));
        Files.move(data.resolve("robot-00.jpg"), data.resolve("more/robot-00.png"));
        Files.delete(data.resolve("robot-01.png"));
        assertThat(tiny.run("prepare", with(blip(""))).code()).isZero();
        JsonNode said = Json.MAPPER
                .readTree(Goldens.FOLDER.resolve("blip/texts.json").toFile())
                .path("bundled");
        assertThat(samples())
                .extracting(Sample::name, Sample::caption)
                .containsExactly(
                        tuple(
                                "main/more/robot-00.png",
                                "blorp, " + said.path("robot/robot-03.png").asText()),
                        tuple(
                                "main/robot-00.png",
                                "blorp, " + said.path("robot/robot-00.png").asText()));
    }

    @Test
    void florenceSaysWhatItSeesAndAFolderWithoutOneOfItsFilesIsRefused() throws IOException {
        Path florence = folder.resolve("florence");
        Files.createDirectories(florence.resolve("onnx"));
        try (var files = Files.walk(Goldens.FOLDER.resolve("florence"))) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                Files.copy(
                        file,
                        florence.resolve(Goldens.FOLDER.resolve("florence").relativize(file)));
            }
        }
        String source =
                "source: Florence2, detail: Caption, beams: 3, maxTokens: 9, model: {uri: '%s'}".formatted(florence);
        Files.writeString(folder.resolve("data/robot-01.txt"), "my own words");

        assertThat(tiny.run("prepare", with(source)).code()).isZero();

        assertThat(samples()).extracting(Sample::captionFrom).containsExactly("Florence2", "robot-01.txt", "Florence2");
        assertThat(samples().get(0).caption()).startsWith("blorp, ").hasSizeGreaterThan(10);
        assertThat(samples().get(1).caption()).isEqualTo("blorp, my own words");

        // Its files are part of what the data set was made from.
        String before = digest();
        Files.writeString(florence.resolve("generation_config.json"), "{}");
        assertThat(tiny.run("prepare", with(source)).code()).isZero();
        assertThat(digest()).isNotEqualTo(before);

        Files.delete(florence.resolve("onnx/embed_tokens.onnx"));
        Ran ran = tiny.in(folder.resolve("other")).run("prepare", with(source));
        assertThat(ran.code()).isEqualTo(10);
        assertThat(ran.error())
                .contains("`spec.preparation.captions.model.uri`")
                .contains("embed_tokens.onnx is missing");
        assertThat(folder.resolve("other/dataset")).doesNotExist();
    }

    @Test
    void whatWasPreparedAndEditedIsADataSet() throws IOException {
        assertThat(tiny.run("prepare", with(blip(""))).code()).isZero();
        Path edited = folder.resolve("edited");
        Files.createDirectories(edited.resolve("images"));
        Path prepared = tiny.workspace().resolve("dataset");
        for (String name : List.of("images/00000.png", "images/00001.png", "images/00002.png")) {
            Files.copy(prepared.resolve(name), edited.resolve(name));
        }
        Files.writeString(
                edited.resolve("captions.jsonl"),
                Files.readString(prepared.resolve("captions.jsonl")).replaceFirst("on a [a-z]+ background", "edited"));

        TinyRun other = tiny.in(folder.resolve("other"));
        assertThat(other.run("prepare", "--set", "datasets=[{uri: edited, concept: {mode: Object, trigger: blorp}}]")
                        .code())
                .isZero();

        assertThat(PreparedDataset.manifest(other.workspace().resolve("dataset"))
                        .samples()
                        .get(0)
                        .caption())
                .isEqualTo("blorp, an emoji of a robot edited");
    }

    @Test
    void withoutACaptionerTheConceptsWordsAreTrainedOnAndItIsSaid() throws IOException {
        Ran ran = tiny.run("prepare", with(""));

        assertThat(ran.code()).isZero();
        assertThat(samples()).extracting(Sample::caption).containsOnly("blorp");
        assertThat(ran.output() + ran.error())
                .contains("3 of 3 pictures have no caption, and are trained on \"blorp\" alone");
        String without = digest();

        // No caption and an empty one are two things: a captioner looks at the first alone.
        for (String name : List.of("robot-00", "robot-01", "robot-03")) {
            Files.writeString(folder.resolve("data/" + name + ".txt"), "");
        }
        assertThat(tiny.run("prepare", with("")).code()).isZero();
        assertThat(samples()).extracting(Sample::caption).containsOnly("blorp");
        assertThat(digest()).isNotEqualTo(without);
    }

    private String digest() {
        return PreparedDataset.manifest(tiny.workspace().resolve("dataset")).digest();
    }

    @Test
    void thePlatformsCaptionerServesWhereTheSpecNamesNoneAndIsFetchedAsOtherModels() throws IOException {
        byte[] zip = RemoteSourcesRunTest.zip(Path.of(BLIP));
        try (TestServer server = new TestServer().file("/blip.zip", zip, "\"1\"")) {
            String model = "{source: Blip, model: {uri: '%s', sha256: %s}}";
            String uri = server.url("/blip.zip");

            Ran wrong = platform(model.formatted(uri, "0".repeat(64)));
            assertThat(wrong.code()).isEqualTo(10);
            assertThat(wrong.error()).contains("LORA_CAPTIONER.model");

            Ran ran = platform(model.formatted(uri, Sha256.of(Files.write(folder.resolve("blip.zip"), zip))));
            assertThat(ran.code()).as(ran.error()).isZero();
            assertThat(samples().get(0).caption()).isEqualTo("blorp, an emoji of a robot on a blue background");
            String captioned = digest();

            // Other files of the model are other data.
            Path other = Files.createDirectories(folder.resolve("blip"));
            try (var files = Files.list(Path.of(BLIP))) {
                for (Path file : files.filter(Files::isRegularFile).toList()) {
                    Files.copy(file, other.resolve(file.getFileName()));
                }
            }
            Files.writeString(other.resolve("vocab.txt"), "more");
            assertThat(platform("{source: Blip, model: {uri: '%s'}}".formatted(other))
                            .code())
                    .isZero();
            assertThat(digest()).isNotEqualTo(captioned);
        }
    }

    private Ran platform(String captioner) {
        return tiny.runWith(
                name -> name.equals("LORA_CAPTIONER") ? captioner : System.getenv(name), "prepare", with(""));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{source: Blip}|`LORA_CAPTIONER.model` must be given where source is Blip",
                "{source: Sidecar}|`LORA_CAPTIONER.source` must be Blip, Florence2, Tagger or OpenAI, was Sidecar",
                "{source: Blip, beams: 500, model: {uri: x}}|`LORA_CAPTIONER.beams` must be at most 16, was 500",
                "{source: Blip, model: {uri: 'pvc://a/b'}}|`LORA_CAPTIONER.model.uri` must not name a claim",
                "{source: OpenAI, api: {model: m, url: 'https://u:p@h/v1'}}|`LORA_CAPTIONER.api.url` must be https://HOST/PATH without a password or query in it",
                "{source: OpenAI, pauseForReview: true, api: {model: m}}|`LORA_CAPTIONER.pauseForReview` must be unset",
                "{sauce: Blip}|`LORA_CAPTIONER` must hold fields of spec.preparation.captions"
            })
    void aWrongCaptionerOfThePlatformIsRefusedBeforeAnythingIsRead(String captioner, String message)
            throws IOException {
        // Were they read, these would be what is wrong.
        Files.writeString(folder.resolve("data/robot-00.png"), "none");

        Ran ran = platform(captioner);

        assertThat(ran.code()).isEqualTo(10);
        assertThat(ran.error()).contains(message);
    }

    @Test
    void aModelOfAnotherKindIsRefusedByItsField() {
        String clip = Goldens.BUNDLED
                .resolve("emoji-clip")
                .toAbsolutePath()
                .normalize()
                .toString();

        Ran ran = tiny.run("prepare", with("source: Blip, model: {uri: \"%s\"}".formatted(clip)));

        assertThat(ran.code()).isEqualTo(10);
        assertThat(ran.error())
                .contains("`spec.preparation.captions.model.uri` must name a BLIP model as transformers writes it");
        assertThat(tiny.workspace().resolve("dataset")).doesNotExist();
    }
}
