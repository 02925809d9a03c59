package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import training.lora.api.Json;
import training.lora.api.StageResult;
import training.lora.trainer.dataset.DatasetManifest.Sample;
import training.lora.trainer.dataset.PreparedDataset;

/** What prepare tells of texts that are not trained on or drawn as they came. */
class TextNotesTest {
    private static final String LONG = "cat ".repeat(90).strip();

    @TempDir
    Path folder;

    private TinyRun tiny;

    @BeforeEach
    void tinyRun() throws IOException {
        tiny = TinyRun.create(folder, "steps: 2, adapter: {rank: 2}");
    }

    private @Nullable String note() throws IOException {
        return Json.MAPPER
                .readValue(
                        tiny.workspace().resolve("results/prepare/result.json").toFile(), StageResult.class)
                .message();
    }

    @Test
    void captionsWithoutTheirInvisibleCharactersAreTrainedOnAndToldOf() throws IOException {
        Files.writeString(folder.resolve("data/bat.txt"), "\uFEFF\uFEFFa bat\u200B, re\0d\u00A0");
        Files.write(folder.resolve("data/crab.txt"), "a\u00A0crab\r\n".getBytes(StandardCharsets.UTF_16));

        Ran ended = tiny.run("prepare");

        assertThat(ended.code()).as(ended.error()).isZero();
        assertThat(PreparedDataset.manifest(tiny.workspace().resolve("dataset")).samples())
                .extracting(Sample::caption)
                .containsExactly("a bat, red", "a crab", "an emoji of a pear");
        String note = "invisible characters were left out of 1 of 3 captions, such as that of main/bat.png";
        assertThat(ended.error()).contains(note);
        assertThat(note()).isEqualTo(note);
    }

    @Test
    void triggerIsFoundInACaptionThatSpellsItOtherwise() throws IOException {
        Files.writeString(folder.resolve("data/bat.txt"), "a cafe\u0301 bat");
        Files.writeString(
                tiny.yaml,
                Files.readString(tiny.yaml)
                        .replace("{uri: data}", "{uri: data, concept: {trigger: \"caf\u00E9\u200B\", mode: Object}}"));

        assertThat(tiny.run("prepare").code()).isZero();

        assertThat(PreparedDataset.manifest(tiny.workspace().resolve("dataset")).samples())
                .extracting(Sample::caption)
                .startsWith("a caf\u00E9 bat", "caf\u00E9, an emoji of a crab");
    }

    @Test
    void captionsAndPromptsThatAreCutAreToldOf() throws IOException {
        Files.writeString(folder.resolve("data/crab.txt"), LONG);

        Ran ended = tiny.run(
                "prepare",
                "--set",
                "sampling={prompts: [{text: a cat}, {text: %s, negative: %s}]}".formatted(LONG, LONG));

        assertThat(ended.code()).as(ended.error()).isZero();
        assertThat(ended.error()).contains("the caption of main/crab.png is longer than 14 tokens, and loses its end");
        assertThat(note())
                .isEqualTo(
                        "1 of 3 captions are longer than 14 tokens (`spec.training.captions.maxTokens`) and lose their"
                                + " ends, such as that of main/crab.png; prompts that are longer than 14 tokens"
                                + " (`spec.training.captions.maxTokens`) lose their ends: `spec.sampling.prompts[1].text`,"
                                + " `spec.sampling.prompts[1].negative`");
    }

    @Test
    void promptsThatAreNotDrawnAreNotToldOf() throws IOException {
        Ran ended = tiny.run("prepare", "--set", "sampling={enabled: false, prompts: [{text: %s}]}".formatted(LONG));

        assertThat(ended.code()).isZero();
        assertThat(note()).isNull();
    }

    @Test
    void copiesAndOtherSizesOfAPictureCountOnce() throws IOException {
        Files.writeString(tiny.folder.resolve("data/bat.txt"), "");

        Ran prepared = tiny.run(
                "prepare",
                "--set",
                "preparation={resolutions: [64, 128], augmentTo: 9}",
                "--set",
                "datasets=[{uri: data}]");

        assertThat(prepared.code()).as(prepared.error()).isZero();
        assertThat(prepared.error()).contains("but 1 of 3 are empty, such as that of main/bat.png");
    }
}
