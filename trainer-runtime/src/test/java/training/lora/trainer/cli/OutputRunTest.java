package training.lora.trainer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import training.lora.api.Artifact;
import training.lora.api.Json;
import training.lora.api.Manifest;
import training.lora.api.Reason;

/** Runs beside files that are not theirs. */
class OutputRunTest {
    @TempDir
    Path folder;

    private TinyRun tiny;
    private Path output;

    @BeforeEach
    void tinyRun() throws IOException {
        tiny = TinyRun.create(folder, "steps: 2, adapter: {rank: 2}, checkpoints: {everySteps: 1}");
        output = folder.resolve("models");
    }

    private Ran run(String command, String... more) {
        String[] all = new String[more.length + 2];
        all[0] = "--output";
        all[1] = output.toString();
        System.arraycopy(more, 0, all, 2, more.length);
        return tiny.run(command, all);
    }

    private void write(String name) throws IOException {
        Files.createDirectories(output.resolve(name).getParent());
        Files.writeString(output.resolve(name), "somebody's");
    }

    private Set<String> listed() throws IOException {
        Set<String> names = new TreeSet<>();
        for (Artifact file : Json.MAPPER
                .readValue(output.resolve("manifest.json").toFile(), Manifest.class)
                .files()) {
            assertThat(TinyRun.digests(output)).containsEntry(file.uri(), file.sha256());
            names.add(file.uri());
        }
        return names;
    }

    @ParameterizedTest
    @ValueSource(strings = {"run", "prepare", "train", "evaluate"})
    void folderOfModelsIsRefusedBeforeAnythingIsComputed(String command) throws IOException {
        write("checkpoints/v1-5.safetensors");
        write("workflow.json");
        Map<String, String> before = TinyRun.digests(output);

        Ran ended = run(command);

        assertThat(ended.code()).isEqualTo(Reason.OutputOwned.exitCode());
        assertThat(ended.error())
                .contains(
                        "the output must be empty or this run's own, but " + output
                                + " holds checkpoints, workflow.json, which no run of default/tiny wrote; take another --output");
        assertThat(TinyRun.digests(output)).isEqualTo(before);
        assertThat(tiny.workspace().resolve("dataset")).doesNotExist();
    }

    @Test
    void othersFilesStayUnlistedAndThoseOfEarlierFormatsGo() throws IOException {
        assertThat(run("run").code()).isZero();
        assertThat(listed()).contains("workflow.json", "checkpoints/step-000001/tiny.safetensors");
        write("checkpoints/v1-5.safetensors");
        write("style.safetensors");

        Ran ended = run("run", "--set", "output.formats=[Diffusers]");

        assertThat(ended.code()).as(ended.error()).isZero();
        assertThat(listed())
                .containsExactlyInAnyOrder(
                        "checkpoints/step-000001/diffusers/pytorch_lora_weights.safetensors",
                        "checkpoints/step-000001/proof.json",
                        "checkpoints/step-000002/diffusers/pytorch_lora_weights.safetensors",
                        "checkpoints/step-000002/proof.json",
                        "dataset/report.html",
                        "dataset/report.json",
                        "diffusers/pytorch_lora_weights.safetensors",
                        "loss.jsonl",
                        "loss.png",
                        "proof.json",
                        "run.log");
        Set<String> there = new TreeSet<>(listed());
        there.addAll(Set.of("checkpoints/v1-5.safetensors", "style.safetensors", "manifest.json"));
        assertThat(TinyRun.digests(output)).containsOnlyKeys(there);
    }

    @Test
    void processThatWasKilledWhileItPublishedIsFollowedByOneThatEndsIt() throws IOException {
        assertThat(run("run").code()).isZero();
        Map<String, String> whole = new TreeMap<>(TinyRun.digests(output));
        Json.MAPPER.writeValue(
                output.resolve(".publishing.json").toFile(),
                Map.of(
                        "version",
                        "lora.training/publishing/v1",
                        "owner",
                        Map.of("namespace", "default", "name", "tiny"),
                        "files",
                        listed()));
        Files.delete(output.resolve("manifest.json"));
        Files.delete(output.resolve("proof.json"));

        Ran ended = run("run");

        assertThat(ended.code()).as(ended.error()).isZero();
        assertThat(ended.output()).doesNotContain("nothing to do");
        assertThat(TinyRun.digests(output)).containsOnlyKeys(whole.keySet());
        assertThat(TinyRun.digests(output).get("tiny.safetensors")).isEqualTo(whole.get("tiny.safetensors"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"work", "work/train", "work/dataset/x", "."})
    void outputAmongWhatTheRunWorksWithIsRefused(String place) {
        output = folder.resolve(place).normalize();

        Ran ended = run("prepare");

        assertThat(ended.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(ended.error())
                .contains("`--output` " + output
                        + " must be a folder apart from those that the run works in, but these are in "
                        + tiny.workspace());
    }

    @Test
    void folderOfPicturesInTheWorkspaceIsNotTakenForPreparedData() throws IOException {
        TinyRun here = tiny.in(folder.resolve("project"));
        Files.createDirectories(here.workspace());
        Files.move(folder.resolve("data"), here.workspace().resolve("dataset"));
        Map<String, String> before = TinyRun.digests(here.workspace().resolve("dataset"));

        Ran ended = here.run("prepare", "--set", "datasets=[{uri: project/dataset}]");

        assertThat(ended.code()).isEqualTo(Reason.InvalidConfiguration.exitCode());
        assertThat(ended.error())
                .contains(
                        "`--workspace` " + here.workspace()
                                + " must be a folder that runs alone write to, but its folder dataset is none that `prepare` wrote; take another --workspace");
        assertThat(TinyRun.digests(here.workspace().resolve("dataset"))).isEqualTo(before);
    }

    @Test
    void othersFilesAmongCheckpointsStatesAndSamplesOfTheWorkspaceStay() throws IOException {
        String[] others = {"train/checkpoints/v1-5.safetensors", "train/state/notes.txt", "train/samples/mine/1.png"};
        for (String other : others) {
            Path file = tiny.workspace().resolve(other);
            Files.createDirectories(file.getParent());
            Files.writeString(file, "somebody's");
        }

        assertThat(run("run", "--set", "sampling.enabled=true").code()).isZero();
        assertThat(run("run", "--set", "training.seed=3").code()).isZero();

        for (String other : others) {
            assertThat(tiny.workspace().resolve(other)).hasContent("somebody's");
        }
    }

    @Test
    void picturesOfAnAdapterThatWasGivenUpAreDrawnAgain() throws IOException {
        String sampling = "sampling={steps: 1, prompts: [{text: a bat, seed: 1}]}";
        assertThat(run("run", "--set", sampling).code()).isZero();
        Path samples = tiny.workspace().resolve("train/samples");
        Map<String, String> drawn = TinyRun.digests(samples);
        assertThat(drawn).containsOnlyKeys("step-000000/00.png", "step-000001/00.png", "step-000002/00.png");
        // As if it had gone back to step 1, and had been killed there.
        Files.delete(tiny.state(2));
        Files.copy(
                samples.resolve("step-000000/00.png"),
                samples.resolve("step-000002/00.png"),
                java.nio.file.StandardCopyOption.REPLACE_EXISTING);
        output = folder.resolve("again");

        assertThat(run("run", "--set", sampling).code()).isZero();

        assertThat(TinyRun.digests(samples)).isEqualTo(drawn);
    }
}
