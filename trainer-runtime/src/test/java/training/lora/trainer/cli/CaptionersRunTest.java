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
import training.lora.api.Json;
import training.lora.trainer.Goldens;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.dataset.PreparedDataset;

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

        assertThat(tiny.run("prepare", with(blip(""))).code()).isZero();

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

        // Another beginning is another data set.
        assertThat(tiny.run("prepare", with(blip(", beginning: a robot"))).code())
                .isZero();
        assertThat(samples().get(0).caption()).startsWith("blorp, a robot ");
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
    void withoutACaptionerTheConceptsWordsAreTrainedOnAndItIsSaid() {
        Ran ran = tiny.run("prepare", with(""));

        assertThat(ran.code()).isZero();
        assertThat(samples()).extracting(Sample::caption).containsOnly("blorp");
        assertThat(ran.output() + ran.error())
                .contains("3 of 3 pictures have no caption, and are trained on \"blorp\" alone");
    }

    @Test
    void thePlatformsCaptionerServesWhereTheSpecNamesNone() {
        Ran ran = tiny.runWith(
                name -> name.equals("LORA_CAPTIONER")
                        ? "{\"source\": \"Blip\", \"model\": {\"uri\": \"%s\"}}".formatted(BLIP)
                        : System.getenv(name),
                "prepare",
                with(""));

        assertThat(ran.code()).isZero();
        assertThat(samples().get(0).caption()).isEqualTo("blorp, an emoji of a robot on a blue background");
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
