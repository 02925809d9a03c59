package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.Json;
import training.lora.api.Manifest;
import training.lora.api.ManifestBuilder;
import training.lora.api.Reason;
import training.lora.api.RunSpec;
import training.lora.api.StageResult;
import training.lora.trainer.run.RunSpecs;
import training.lora.trainer.tensor.SafeTensors;

/** Whole stages of a tiny run, as the command line runs them. */
class RunCommandTest {
    @TempDir
    Path folder;

    private TinyRun tiny;

    @BeforeEach
    void tinyRun() throws IOException {
        tiny = TinyRun.create(folder, "steps: 2, adapter: {rank: 2}, watchdog: {enabled: false}");
    }

    @ParameterizedTest
    @ValueSource(strings = {"run", "prepare", "train", "evaluate"})
    void outputOfAnotherOwnerIsLeftAsItIs(String command) throws IOException {
        Path output = Files.createDirectories(folder.resolve("output"));
        RunSpec mine = RunSpecs.load(tiny.yaml, List.of()).run();
        RunSpec other = RunSpec.of("default", "other", mine.spec());
        Files.writeString(output.resolve(TinyRun.NAME + ".safetensors"), "theirs");
        Json.MAPPER.writeValue(
                output.resolve("manifest.json").toFile(),
                ManifestBuilder.builder()
                        .version(Manifest.VERSION)
                        .owner(other.owner())
                        .runId(other.runId())
                        .finished(true)
                        .time("2026-01-01T00:00:00Z")
                        .spec(other.spec())
                        .model("SD15")
                        .baseModelDigest("0")
                        .datasetDigest("0")
                        .checkpoints(List.of())
                        .proofs(List.of())
                        .files(List.of())
                        .device("cpu")
                        .build());
        Map<String, String> before = TinyRun.digests(output);

        Ran ended = tiny.run(command, "--output", output.toString());

        assertThat(ended.code()).isEqualTo(Reason.OutputOwned.exitCode());
        assertThat(ended.error())
                .contains("the output must be empty or this run's own, but")
                .contains("belongs to the training default/other");
        assertThat(TinyRun.digests(output)).isEqualTo(before);
        String stage = command.equals("run") ? "prepare" : command;
        StageResult result = Json.MAPPER.readValue(
                tiny.workspace().resolve("results/" + stage + "/result.json").toFile(), StageResult.class);
        assertThat(result.reason()).isEqualTo(Reason.OutputOwned);
        assertThat(result.message()).contains("belongs to the training default/other");
    }

    @Test
    void changedCaptionOrPictureIsPreparedAnew() throws IOException {
        assertThat(tiny.run("prepare").code()).isZero();
        TreeMap<String, String> first = TinyRun.digests(tiny.workspace().resolve("dataset"));

        Files.writeString(folder.resolve("data/bat.txt"), "another caption");
        assertThat(tiny.run("prepare").code()).isZero();
        TreeMap<String, String> second = TinyRun.digests(tiny.workspace().resolve("dataset"));
        Files.copy(
                folder.resolve("data/crab.png"),
                folder.resolve("data/bat.png"),
                java.nio.file.StandardCopyOption.REPLACE_EXISTING);
        assertThat(tiny.run("prepare").code()).isZero();
        TreeMap<String, String> third = TinyRun.digests(tiny.workspace().resolve("dataset"));

        assertThat(second.get("latents.safetensors")).isEqualTo(first.get("latents.safetensors"));
        assertThat(second.get("text.safetensors")).isNotEqualTo(first.get("text.safetensors"));
        assertThat(second.get("manifest.json")).isNotEqualTo(first.get("manifest.json"));
        assertThat(third.get("latents.safetensors")).isNotEqualTo(second.get("latents.safetensors"));
        assertThat(third.get("images/00000.png")).isEqualTo(third.get("images/00001.png"));
    }

    @Test
    void preparedDataOfAnotherBaseModelIsMadeAnew() throws IOException {
        assertThat(tiny.run("prepare").code()).isZero();
        TreeMap<String, String> first = TinyRun.digests(tiny.workspace().resolve("dataset"));

        Files.writeString(folder.resolve("base/vae/note.json"), "{}");
        assertThat(tiny.run("prepare").code()).isZero();

        assertThat(TinyRun.digests(tiny.workspace().resolve("dataset")).get("manifest.json"))
                .isNotEqualTo(first.get("manifest.json"));
    }

    @Test
    void damagedPreparedDataIsMadeAnew() throws IOException {
        assertThat(tiny.run("prepare").code()).isZero();
        TreeMap<String, String> first = TinyRun.digests(tiny.workspace().resolve("dataset"));
        Path latents = tiny.workspace().resolve("dataset/latents.safetensors");
        byte[] bytes = Files.readAllBytes(latents);
        bytes[bytes.length - 1] ^= 1;
        Files.write(latents, bytes);

        assertThat(tiny.run("prepare").code()).isZero();

        assertThat(TinyRun.digests(tiny.workspace().resolve("dataset"))).isEqualTo(first);
    }

    @Test
    void publishedFilesAreProvenAndTellWhatTheyAre() throws IOException {
        assertThat(tiny.run("prepare").code()).isZero();
        assertThat(tiny.run("train").code()).isZero();

        try (SafeTensors file = SafeTensors.open(tiny.workspace().resolve("output/tiny.safetensors"))) {
            assertThat(file.metadata())
                    .containsEntry("ss_sd_model_name", "base")
                    .containsEntry("ss_resolution", "(16, 16)")
                    .containsEntry("modelspec.resolution", "16x16")
                    .containsEntry("ss_steps", "2")
                    .containsEntry("ss_num_train_images", "3");
        }
        Path output = tiny.workspace().resolve("output");
        Manifest manifest =
                Json.MAPPER.readValue(output.resolve("manifest.json").toFile(), Manifest.class);
        assertThat(manifest.proofs())
                .extracting(p -> p.file())
                .containsExactly("tiny.safetensors", "diffusers/pytorch_lora_weights.safetensors");
        assertThat(manifest.proofs()).allSatisfy(p -> {
            assertThat(p.difference()).isLessThanOrEqualTo(1e-6);
            assertThat(p.sha256()).isEqualTo(TinyRun.digests(output).get(p.file()));
        });
        assertThat(manifest.files()).extracting(a -> a.uri()).contains("workflow.json", "proof.json");
        assertThat(Json.MAPPER
                        .readTree(output.resolve("workflow.json").toFile())
                        .at("/2/inputs/lora_name")
                        .asText())
                .isEqualTo("tiny.safetensors");
    }

    @Test
    void rankAboveTheSizeOfALayerIsRefused() {
        assertThat(tiny.run("prepare").code()).isZero();

        Ran ended = tiny.run("train", "--set", "training.adapter.rank=1000");

        assertThat(ended.code()).isEqualTo(10);
        assertThat(ended.error())
                .containsPattern("`spec.training.adapter.rank` must be at most \\d+, the size of \\S+, was 1000");
    }

    @Test
    void damagedLastCheckpointIsWrittenAgainFromTheState() throws IOException {
        assertThat(tiny.run("prepare").code()).isZero();
        assertThat(tiny.run("train").code()).isZero();
        Path checkpoints = tiny.workspace().resolve("train/checkpoints");
        Map<String, String> before = TinyRun.digests(checkpoints);
        Path file = checkpoints.resolve("step-000002/tiny.safetensors");
        byte[] bytes = Files.readAllBytes(file);
        bytes[bytes.length / 2] ^= 1;
        Files.write(file, bytes);
        // As if it had been killed before it published: what is finished is not looked at again.
        tiny.unpublish();

        assertThat(tiny.run("train").code()).isZero();

        assertThat(TinyRun.digests(checkpoints)).isEqualTo(before);
    }

    /** A training of 2 steps that looks as if it had been stopped after the first. */
    private void interrupt() throws IOException {
        assertThat(tiny.run("prepare").code()).isZero();
        assertThat(tiny.run("train").code()).isZero();
        Files.delete(tiny.state(2));
        tiny.unpublish();
    }

    @ParameterizedTest
    @ValueSource(strings = {"run", "prepare", "train"})
    void interruptedTrainingIsNotMixedWithAnotherConfiguration(String command) throws IOException {
        interrupt();

        Ran ended = tiny.run(command, "--set", "training.adapter.rank=3");

        assertThat(ended.code()).isEqualTo(10);
        assertThat(ended.error())
                .contains("a training that was interrupted at step 1 of 2 must go on as it began, but"
                        + " `spec.training.adapter.rank` was 2 and is 3; take another --workspace, or delete "
                        + tiny.workspace().resolve("train") + " to begin anew");
        assertThat(tiny.run("train").code()).isZero();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "preparation.resolution=64 | `spec.preparation.resolution` was unset and is 64",
                "datasets=[{uri: more}] | `spec.datasets[0].uri` was \"data\" and is \"more\"",
                "training.steps=2 | the caption of main/bat.png has changed",
            })
    void preparedDataOfAnInterruptedTrainingOutlastsARunThatIsRefused(String setting, String sentence)
            throws IOException {
        interrupt();
        if (sentence.contains("caption of")) {
            Files.writeString(folder.resolve("data/bat.txt"), "another caption");
        }
        Files.createSymbolicLink(folder.resolve("more"), folder.resolve("data"));
        Map<String, String> before = TinyRun.digests(tiny.workspace().resolve("dataset"));

        Ran ended = tiny.run("run", "--set", setting);

        assertThat(ended.code()).isEqualTo(10);
        assertThat(ended.error())
                .contains("a training that was interrupted at step 1 of 2 must go on as it began, but " + sentence);
        assertThat(TinyRun.digests(tiny.workspace().resolve("dataset"))).isEqualTo(before);
    }

    @Test
    void onlyARunThatWasFinishedBeforeItBeganHasNothingToDo() throws IOException {
        String nothing = tiny.workspace().resolve("output") + " holds this run, finished: nothing to do";

        assertThat(tiny.run("run").output()).contains("tiny.safetensors").doesNotContain("nothing to do");
        FileTime trained = Files.getLastModifiedTime(tiny.workspace().resolve("train/summary.json"));
        assertThat(tiny.run("run").output()).contains("tiny.safetensors").contains(nothing);
        assertThat(tiny.run("evaluate").output()).contains(nothing);
        assertThat(Files.getLastModifiedTime(tiny.workspace().resolve("train/summary.json")))
                .isEqualTo(trained);
    }

    @Test
    void failureShowsWhereItCameFromOnlyWhenAsked() {
        assertThat(tiny.run("train").error()).contains("run `prepare` first").doesNotContain("\tat training.lora");
        assertThat(tiny.run("train", "--verbose").error())
                .contains("run `prepare` first")
                .contains("\tat training.lora");
    }
}
