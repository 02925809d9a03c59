package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import training.lora.api.Artifact;
import training.lora.api.Json;
import training.lora.trainer.dataset.DatasetManifest.Sample;

/** What stays of a person's captions when the run is prepared, trained or begun again. */
class CarriedCaptionsRunTest extends ReviewedRun {
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
}
