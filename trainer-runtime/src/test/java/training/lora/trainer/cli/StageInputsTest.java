package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.Reason;
import training.lora.trainer.Goldens;
import training.lora.trainer.files.FileDigests;
import training.lora.trainer.files.Folders;
import training.lora.trainer.model.basemodel.ModelDigest;

/** Stages that run alone, where data, base model or spec changed since the stage before. */
class StageInputsTest extends ChangingRun {
    @TempDir
    static Path shared;

    private static TinyRun trained;

    /** A run on the bundled model, whose pictures CLIP measures, prepared and trained. */
    @BeforeAll
    static void trainOnce() throws IOException {
        trained = TinyRun.create(
                Files.createDirectories(shared.resolve("measured")),
                "baseModel: {uri: %s}"
                        .formatted(Goldens.BUNDLED.resolve("emoji-sd").toAbsolutePath()),
                "steps: 2, precision: Float32, adapter: {rank: 2}, checkpoints: {everySteps: 2}, watchdog: {enabled: false}",
                "{steps: 1, prompts: [{text: a bat, seed: 1}]}",
                "{clip: {uri: ../clip}, prompts: [{text: a bat, seed: 1}]}");
        TinyRun.copyTree(Goldens.BUNDLED.resolve("emoji-clip"), shared.resolve("clip"));
        for (String command : List.of("prepare", "train")) {
            Ran ended = trained.run(command);
            assertThat(ended.code()).as(ended.error()).isZero();
        }
    }

    /** Takes a copy of that run, and of its CLIP, for the test's own. */
    private void measured() throws IOException {
        TinyRun.copyTree(shared.resolve("clip"), folder.resolve("clip"));
        tiny = trained.copied(folder.resolve("measured"));
    }

    /** The same, gone on from an adapter of its own. */
    private Path measuredFrom() throws IOException {
        measured();
        Path from = Files.copy(
                tiny.workspace().resolve("output/tiny.safetensors"), tiny.folder.resolve("from.safetensors"));
        settings = new String[] {"--set", "training.initFrom.uri=from.safetensors"};
        ends("prepare");
        ends("train");
        return from;
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "preparation.resolution=64 | `spec.preparation.resolution` was unset and is 64",
                "preparation.captions.prefix=TOK | `spec.preparation.captions.prefix` was \"\" and is \"TOK\"",
                "training.captions.clipSkip=1 | `spec.training.captions.clipSkip` was 0 and is 1",
                "training.captions.maxTokens=150 | `spec.training.captions.maxTokens` was 75 and is 150",
                "datasets=[{name: other, uri: data}] | `spec.datasets[0].name` was \"main\" and is \"other\"",
                "datasets=[{uri: data, concept: {trigger: TOK}}] | `spec.datasets[0].concept` was unset and is {"
            })
    void trainingOnDataOfAnotherSpecIsRefusedWithWhatDiffers(String setting, String sentence) {
        ends("prepare");
        settings = new String[] {"--set", setting};

        Ran ended = run("train");

        assertThat(ended.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(ended.error())
                .contains("the data must have been prepared for this spec, but " + sentence)
                .contains("; run `prepare` again");
        assertThat(tiny.workspace().resolve("train/state")).doesNotExist();
        ends("prepare");
        ends("train");
    }

    @Test
    void evaluateThatMeasuresNothingChecksWhatItReadsAllTheSame() throws IOException {
        ends("prepare");

        assertThat(run("evaluate").code()).isEqualTo(Reason.InvalidConfiguration.exitCode());

        ends("train");
        settings = new String[] {"--set", "preparation.resolution=64"};
        assertThat(run("evaluate").error())
                .contains(
                        "the data must have been prepared for this spec, but `spec.preparation.resolution` was unset");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "training.steps=3",
                "training.optimizer.learningRate=2e-4",
                "datasets=[{uri: data, repeats: 2, weight: 0.5}]",
                "sampling.steps=3",
                "evaluation.samplesPerPrompt=2",
                "output.formats=[Diffusers]"
            })
    void whatPreparedDataDoNotDependOnMayChangeBeforeTheTraining(String setting) {
        ends("prepare");
        settings = new String[] {"--set", setting};

        ends("train");
    }

    @Test
    void baseModelThatChangedAfterPrepareIsRefusedByTheTraining() throws IOException {
        ends("prepare");
        change(folder.resolve("base"));

        assertThat(run("train").error())
                .contains(
                        "the data must have been prepared for this spec, but the files of `spec.baseModel` have changed;"
                                + " run `prepare` again");
    }

    @Test
    void checkpointsOfAnotherSpecAreNotPublished() throws IOException {
        measured();
        Map<String, String> output = TinyRun.digests(tiny.workspace().resolve("output"));
        settings = new String[] {"--set", "training.steps=3", "--set", "training.adapter.rank=3"};

        Ran ended = run("evaluate");

        assertThat(ended.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(ended.error())
                .contains("the checkpoints must have been trained by this spec, but"
                        + " `spec.training.adapter.rank` was 2 and is 3, `spec.training.steps` was 2 and is 3;"
                        + " run `train` again");
        assertThat(TinyRun.digests(tiny.workspace().resolve("output"))).isEqualTo(output);

        // Prepared anew, they are of other data.
        settings = new String[] {};
        Files.writeString(tiny.folder.resolve("data/bat.txt"), "something else");
        ends("prepare");
        assertThat(run("evaluate").error())
                .contains("the checkpoints must have been trained by this spec, but the pictures or captions of"
                        + " `spec.datasets` have changed; run `train` again");
    }

    @Test
    void checkpointsThatWentOnFromAnotherAdapterAreNotPublished() throws IOException {
        Path from = measuredFrom();
        Files.copy(tiny.workspace().resolve("output/tiny.safetensors"), from, StandardCopyOption.REPLACE_EXISTING);
        ends("prepare");

        Ran ended = run("evaluate");

        assertThat(ended.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(ended.error())
                .contains("the checkpoints must have been trained by this spec, but the file of"
                        + " `spec.training.initFrom` has changed; run `train` again");
    }

    @Test
    void adapterThatWasGoneOnFromIsNotNeededAfterTheTraining() throws IOException {
        Path from = measuredFrom();
        String digest = FileDigests.computed().of(from);
        Files.delete(from);

        ends("evaluate");

        assertThat(manifest().finished()).isTrue();
        assertThat(manifest().initFromDigest()).isEqualTo(digest);
    }

    @Test
    void whatMeasuresMayChangeAfterTheTrainingAndAnotherClipMeasuresAnew() throws IOException {
        measured();
        settings = new String[] {"--set", "evaluation.samplesPerPrompt=2"};
        ends("evaluate");
        assertThat(manifest().finished()).isTrue();
        assertThat(manifest().clipDigest())
                .isEqualTo(ModelDigest.of(folder.resolve("clip"), null, FileDigests.computed()));
        assertThat(run("run").output()).contains("nothing to do");
        byte[] lora = tiny.lora();
        Path weights = folder.resolve("clip/model.safetensors");
        byte[] bytes = Files.readAllBytes(weights);
        bytes[bytes.length - 2] ^= 1;
        Files.write(weights, bytes);

        Ran ended = run("run");

        assertThat(ended.code()).as(ended.error()).isZero();
        assertThat(ended.error())
                .contains("is measured anew because the files of `spec.evaluation.clip` have changed")
                .doesNotContain("trained anew");
        assertThat(manifest().finished()).isTrue();
        assertThat(manifest().clipDigest())
                .isEqualTo(ModelDigest.of(folder.resolve("clip"), null, FileDigests.computed()));
        assertThat(tiny.lora()).isEqualTo(lora);
        assertThat(run("run").output()).contains("nothing to do");
    }

    @Test
    void anotherClipNeedsNoDataSources() throws IOException {
        measured();
        ends("evaluate");
        Path weights = folder.resolve("clip/model.safetensors");
        byte[] bytes = Files.readAllBytes(weights);
        bytes[bytes.length - 2] ^= 1;
        Files.write(weights, bytes);
        Folders.delete(tiny.folder.resolve("data"));

        Ran ended = run("run");

        assertThat(ended.code()).as(ended.error()).isZero();
        assertThat(ended.error()).contains("is measured anew because the files of `spec.evaluation.clip` have changed");
        assertThat(manifest().clipDigest())
                .isEqualTo(ModelDigest.of(folder.resolve("clip"), null, FileDigests.computed()));

        bytes[bytes.length - 4] ^= 1;
        Files.write(weights, bytes);
        Folders.delete(tiny.workspace().resolve("dataset"));
        ended = run("run");
        assertThat(ended.code()).as(ended.error()).isZero();
        assertThat(ended.error())
                .contains("to compare it with, and though the files of `spec.evaluation.clip` have changed");
    }
}
